"""The command line: `graphnn demo`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import graphnn


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status.

    >>> main(["--version"])
    Traceback (most recent call last):
    ...
    SystemExit: 0
    """
    options = _parser().parse_args(arguments)
    out = Path(options.out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        print(f"graphnn: cannot write to {out}: {error.strerror}; choose another folder with --out", file=sys.stderr)
        return 2
    try:
        if options.task == "network":
            from graphnn.demo import network

            print(network.run(out, options.smoke))
        else:
            from graphnn.demo import alkanes

            print(alkanes.run(out, seed=options.seed, smoke=options.smoke, keep_open=options.keep_open))
    except KeyboardInterrupt:
        print("\ngraphnn: stopped; what was drawn so far is in", out, file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="graphnn", description="Graph convolutions you can read.")
    parser.add_argument("--version", action="version", version=f"graphnn {graphnn.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    demo = commands.add_parser(
        "demo",
        help="learn real data live, in about a minute",
        description="Learn the boiling points of the alkanes, live (--task alkanes), or who sides with whom in the "
        "karate club (--task network). Everything needed is in the package.",
    )
    demo.add_argument("--task", choices=("alkanes", "network"), default="alkanes", help="default: %(default)s")
    demo.add_argument("--out", default="graphnn-demo", help="folder for the results (default: %(default)s)")
    demo.add_argument("--seed", type=int, default=0, help="of the folds and of training (default: %(default)s)")
    demo.add_argument("--keep-open", action="store_true", help="leave the window standing at the end")
    demo.add_argument("--smoke", action="store_true", help="a few steps only, to see that it runs")
    return parser
