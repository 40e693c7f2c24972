"""`python -m chatbots.testing` is the fake OpenAI server; with `store`, it tries a store."""

import sys

from chatbots.testing import earned, standalone

if __name__ == "__main__":
    trying = sys.argv[1:2] == ["store"]
    sys.exit(earned.main(sys.argv[2:]) if trying else standalone.main())
