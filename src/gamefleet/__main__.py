"""`python -m gamefleet`: the command line, for an interpreter whose scripts are not on the path.

Job: be found by the package's name. Place in the data flow: before `cli.main`. Left out: everything else.
"""

from gamefleet.cli.main import main

if __name__ == "__main__":
    main()
