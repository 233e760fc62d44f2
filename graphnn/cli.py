"""The command line: `graphnn demo`, `train`, `predict`, `inspect` and `plot`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import graphnn
from graphnn.checks import TrainingDiverged

INF = float("inf")
MODELS, FEATURES = ("gin", "gcn", "gat", "dmpnn", "fingerprint"), ("duvenaud", "dmpnn")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 2 for a request that cannot be met, 130 for Ctrl-C.

    >>> main(["--version"])
    Traceback (most recent call last):
    ...
    SystemExit: 0
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = _parser().parse_args(given)
    commands = {"demo": _demo, "train": _train, "predict": _predict, "inspect": _inspect, "plot": _plot}
    try:
        print(commands[options.command](options, given), flush=True)
    except BrokenPipeError:  # the reader, head for instance, has seen enough
        sys.stdout = None  # so that Python does not try again on leaving
        return 0
    except KeyboardInterrupt:
        print("\ngraphnn: stopped", file=sys.stderr)
        return 130
    except (ValueError, KeyError, OSError, ImportError, TrainingDiverged) as error:
        print(f"graphnn: {_words(error)}", file=sys.stderr)
        return 2
    return 0


def _words(error: BaseException) -> str:
    """Return the message of an error without the quotes that KeyError puts around its own."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)


def _demo(options: argparse.Namespace, given: Sequence[str]) -> str:
    out = Path(options.out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"cannot write to {out}: {error.strerror}; choose another folder with --out") from error
    if options.task == "network":
        from graphnn.demo import network

        return network.run(out, options.smoke)
    from graphnn.demo import alkanes

    return alkanes.run(out, seed=options.seed, smoke=options.smoke, keep_open=options.keep_open)


def _train(options: argparse.Namespace, given: Sequence[str]) -> str:
    from graphnn.study import run
    from graphnn.study.material import Request
    from graphnn.study.train import Settings

    settings = Settings(
        width=options.width, depth=options.depth, batch_size=options.batch_size, step_size=options.step_size,
        dropout=options.dropout, seeds=options.seeds, seed=options.seed,
    )  # fmt: skip
    request = Request(
        options.table, options.out, tuple(options.target or ()), options.smiles, options.graphs, options.name,
        options.task, options.features, options.weight, _listed(options.categories), options.split, options.folds,
        options.skip, options.live, options.model, options.epochs, settings,
    )  # fmt: skip
    return run.train(request, ["graphnn", *given])


def _predict(options: argparse.Namespace, given: Sequence[str]) -> str:
    from graphnn.study.predict import predict_table

    return predict_table(
        Path(options.run), options.table, Path(options.out), smiles=options.smiles, graphs=options.graphs,
        name=options.name, skip=options.skip, force=options.force,
    )  # fmt: skip


def _inspect(options: argparse.Namespace, given: Sequence[str]) -> str:
    from graphnn.study.predict import inspect_run

    return inspect_run(Path(options.run), options.like)


def _plot(options: argparse.Namespace, given: Sequence[str]) -> str:
    from graphnn.study.picture import draw

    return f"{draw(Path(options.run), options.out and Path(options.out))} drawn"


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",")) if text else ()


# ---- what can be said ------------------------------------------------------------------------------------------------


def _number(kind: type, least: float, below: float, text: str) -> Any:
    """Return a number from `least` on and below another, or say what was wanted."""
    try:
        value = kind(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"wanted a {'whole ' if kind is int else ''}number, got {text!r}") from None
    if not least <= value < below:
        end = f" and below {below:g}" if below < INF else ""
        raise argparse.ArgumentTypeError(f"wanted {least:g} or more{end}, got {text}")
    return value


COUNT, SEED = partial(_number, int, 1, INF), partial(_number, int, 0, INF)
STEP_SIZE, SHARE = partial(_number, float, 1e-9, INF), partial(_number, float, 0, 1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="graphnn", description="Graph convolutions you can read.")
    parser.add_argument("--version", action="version", version=f"graphnn {graphnn.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    _add_demo(commands)
    _add_train(commands)
    _add_predict(commands)
    inspect = commands.add_parser("inspect", help="the architecture and the parameters of a trained model")
    inspect.add_argument("run", help="folder that graphnn train wrote, or the file of a model or of a Checkpoint")
    inspect.add_argument("--like", help="pattern of parameter names (default: net0.* of a folder, all of a file)")
    plot = commands.add_parser("plot", help="draw a finished run: predicted against actual, and the losses")
    plot.add_argument("run", help="folder that graphnn train wrote")
    plot.add_argument("--out", help="file to write, .png, .pdf or .svg (default: picture.png in the folder)")
    return parser


def _add_demo(commands: Any) -> None:
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


def _add_inputs(command: Any) -> None:
    command.add_argument("--smiles", metavar="COLUMN", help="column of SMILES (found by its name if not given)")
    command.add_argument(
        "--graphs", metavar="PATH", help="a folder with a graph file for each row, or one file whose nodes are the rows"
    )
    command.add_argument("--name", metavar="COLUMN", help="column that names file or node (found if not given)")
    command.add_argument("--skip", action="store_true", help="leave out molecules that cannot be read, and say which")


def _add_train(commands: Any) -> None:
    train = commands.add_parser(
        "train",
        help="from a table on disk to a trained model with an honest error",
        description="Learn a column of a table from molecules or graphs. TABLE is a CSV file, a folder in the TU text "
        "format, or a graph file whose node attribute is the target. Writes a folder with the model, the splits, every "
        "prediction with spread and interval, scores beside baselines, and a picture.",
    )
    train.add_argument("table", metavar="TABLE")
    train.add_argument("--target", metavar="COLUMN", action="append", help="what to predict; repeat it for several")
    train.add_argument("--out", metavar="DIR", required=True, help="folder for the run")
    _add_inputs(train)
    train.add_argument("--task", choices=("regression", "classification", "multilabel"), help="told by the target")
    train.add_argument(
        "--features",
        choices=FEATURES,
        default="duvenaud",
        help="of molecules; only dmpnn sees handedness (default: %(default)s)",
    )
    train.add_argument("--weight", metavar="ATTRIBUTE", help="edge attribute that is the weight (graph files)")
    train.add_argument("--categories", metavar="A,B", help="number attributes that are categories (graph files)")
    train.add_argument("--model", choices=MODELS, help="default: gin, and gcn where rows are nodes")
    train.add_argument(
        "--split", default="random", metavar="HOW",
        help="random, scaffold, a column of the table, or FILE.json, FILE.json:NAME for some of it (default: random)",
    )  # fmt: skip
    train.add_argument("--folds", type=COUNT, metavar="K", help="cross-validation in K folds")
    train.add_argument("--seeds", type=COUNT, default=3, metavar="K", help="networks for each split (default: 3)")
    train.add_argument("--seed", type=SEED, default=0, help="of splits and first network (default: %(default)s)")
    train.add_argument("--epochs", type=COUNT, help="default: enough for 1500 steps, at least 100")
    train.add_argument("--width", type=COUNT, default=64, help="of every layer (default: %(default)s)")
    train.add_argument("--depth", type=COUNT, default=3, help="convolutions (default: %(default)s)")
    train.add_argument("--batch-size", type=COUNT, default=64, help="graphs in a step (default: %(default)s)")
    train.add_argument("--step-size", type=STEP_SIZE, default=3e-3, help="of Adam, falling to 0 (default: %(default)s)")
    train.add_argument("--dropout", type=SHARE, default=0.0, help="probability of dropping (default: %(default)s)")
    train.add_argument("--live", action="store_true", help="watch predicted against actual while it learns")


def _add_predict(commands: Any) -> None:
    predict = commands.add_parser(
        "predict",
        help="predictions of a trained model for a new table",
        description="Write TABLE with predictions, their spread over the networks and their interval beside it.",
    )
    predict.add_argument("run", metavar="RUN", help="folder that graphnn train wrote")
    predict.add_argument("table", metavar="TABLE")
    predict.add_argument("--out", metavar="FILE", default="predictions.csv", help="default: %(default)s")
    _add_inputs(predict)
    predict.add_argument("--force", action="store_true", help="replace FILE if it is there")
