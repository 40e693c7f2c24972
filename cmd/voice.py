"""`python -m cmd.voice`: see `chatbots.cli.voice`."""

from chatbots.cli.voice import main

if __name__ == "__main__":
    raise SystemExit(main())
