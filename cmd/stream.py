"""`python -m cmd.stream`: see `chatbots.cli.stream`."""

from chatbots.cli.stream import main

if __name__ == "__main__":
    raise SystemExit(main())
