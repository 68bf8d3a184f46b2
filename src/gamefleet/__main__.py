"""`python -m gamefleet`: the command line, for an interpreter whose scripts are not on the path."""

from gamefleet.cli.main import main

if __name__ == "__main__":
    main()
