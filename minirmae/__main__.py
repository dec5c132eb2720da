"""`python -m minirmae` is the command `minirmae`."""

import sys

from minirmae.commands import main

if __name__ == "__main__":
    sys.exit(main())
