"""Arguments that several commands have."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

# Names of `optuna_ofa.profiling` and `optuna_ofa.studies`, which take seconds to import; a test
# compares.
RUNTIMES = ("onnxruntime", "openvino", "executorch", "torch")
METRICS = ("top1", "latency_ms", "n_macs", "n_params", "moved_mb", "peak_memory_mb")


def add_supernet(parser: argparse.ArgumentParser) -> None:
    """The family."""
    parser.add_argument("--supernet", required=True, help="a family, such as ofa_mbv3_w1.2")


def add_sizes(parser: argparse.ArgumentParser) -> None:
    """What a table covers."""
    parser.add_argument("--resolutions", type=int, nargs="+", help="input sizes to measure")
    parser.add_argument(
        "--method",
        choices=("networks", "layers"),
        help="where layers' times come from (default: whole networks if the runtime has a profile)",
    )


def add_settings(parser: argparse.ArgumentParser) -> None:
    """What runs, and how."""
    add_runtime(parser)
    parser.add_argument("--threads", type=int, default=1, help="default: 1")
    parser.add_argument("--device", default="cpu", help="cpu (default), or cuda with torch")
    parser.add_argument("--pin", type=int, nargs="+", default=(), help="processors to keep to")
    parser.add_argument("--n-rounds", type=int, default=20, help="default: 20")


def add_runtime(parser: argparse.ArgumentParser) -> None:
    """What runs, as far as graphs depend on it."""
    parser.add_argument(
        "--runtime", default="onnxruntime", choices=RUNTIMES, help="default: onnxruntime"
    )
    parser.add_argument("--batch", type=int, default=1, help="images at once (default: 1)")
    parser.add_argument("--precision", default="float32", help="float32 (default), int8, ...")


def add_sample(parser: argparse.ArgumentParser) -> None:
    """Random subnets that are measured."""
    parser.add_argument("--n", type=int, default=50, help="how many random subnets (default: 50)")
    parser.add_argument("--seed", type=int, default=0, help="default: 0")
    parser.add_argument("--storage", help="database of measurements, such as sqlite:///phone.db")
    add_settings(parser)


def add_study(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Where a study is, and what it predicts with."""
    parser.add_argument(
        "--storage", required=required, help="database of studies, such as sqlite:///nas.db"
    )
    parser.add_argument("--study", default="optuna-ofa", help="its name (default: optuna-ofa)")
    parser.add_argument("--hardware", help="latency table: a name, a file or a folder")
    parser.add_argument("--accuracy", help="accuracy predictor: a name or a file")


def add_within(parser: argparse.ArgumentParser, help: str) -> None:
    """Limits by metric."""
    parser.add_argument(
        "--within", type=limit, action="append", default=[], metavar="METRIC=VALUE", help=help
    )


def limit(text: str) -> tuple[str, float]:
    """``latency_ms=20`` as a pair.

    Raises:
        argparse.ArgumentTypeError: If it is none.
    """
    name, _, value = text.partition("=")
    try:
        return _known(name), float(value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"must be METRIC=VALUE, such as latency_ms=20, with a metric out of "
            f"{', '.join(METRICS)}, but got {text!r}"
        ) from error


def _known(name: str) -> str:
    if name not in METRICS:
        raise ValueError(name)
    return name


def limits(pairs: Sequence[tuple[str, float]]) -> dict[str, float]:
    """Limits by metric; of two for one metric the last."""
    return dict(pairs)


Arguments = dict[str, Any]


class Output(NamedTuple):
    """What a command prints.

    Args:
        text: For people.
        data: The same for machines (JSON), printed instead with ``--json``.
    """

    text: str
    data: dict[str, Any]


class Command(NamedTuple):
    """One command.

    Args:
        name: As it is typed.
        summary: One line that says what it does, without a full stop.
        examples: Command lines with what they are for, shown below the help.
        add_arguments: Adds the command's own arguments to its parser.
        run: Does it. Called with the parsed arguments by name; imports what it needs itself,
            because the module is imported to show the help of any command.
    """

    name: str
    summary: str
    examples: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[Arguments], Output]
