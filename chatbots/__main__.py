"""`python -m chatbots`: the console script."""

import sys

from chatbots.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
