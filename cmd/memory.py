"""`python -m cmd.memory`: see `chatbots.cli.memory`."""

from chatbots.cli.memory import main

if __name__ == "__main__":
    raise SystemExit(main())
