"""`python -m cmd.realtime`: see `chatbots.cli.realtime`."""

from chatbots.cli.realtime import main

if __name__ == "__main__":
    raise SystemExit(main())
