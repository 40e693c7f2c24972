"""`python -m cmd.nomem`: see `chatbots.cli.nomem`."""

from chatbots.cli.nomem import main

if __name__ == "__main__":
    raise SystemExit(main())
