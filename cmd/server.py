"""`python -m cmd.server`: see `chatbots.cli.server`."""

from chatbots.cli.server import main

if __name__ == "__main__":
    raise SystemExit(main())
