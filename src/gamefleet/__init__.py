"""gamefleet: train game-playing agents on the machines you can borrow.

The package imports nothing at the top: `gamefleet --help` and the login-node commands start without torch or an
emulator.
"""

__version__ = "0.1.0"
