"""`python -m graphnn`: the command line."""

from graphnn.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
