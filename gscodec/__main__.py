"""`python -m gscodec`."""

import sys

from gscodec.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
