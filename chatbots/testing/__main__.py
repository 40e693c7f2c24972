"""`python -m chatbots.testing` is the fake OpenAI server; see `standalone.py`."""

import sys

from chatbots.testing.standalone import main

if __name__ == "__main__":
    sys.exit(main())
