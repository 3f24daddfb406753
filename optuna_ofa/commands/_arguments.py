"""Arguments that several commands have, and the protocol of a command."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from optuna_ofa.profiling import MeasurementSettings
    from optuna_ofa.space import Family

# Copies of names in `optuna_ofa.profiling` and `optuna_ofa.problem`, which take seconds to import;
# a test compares them.
RUNTIME_NAMES = ("onnxruntime", "openvino", "executorch", "torch")
METRIC_NAMES = ("top1", "latency_ms", "n_macs", "n_params", "moved_mb", "peak_memory_mb")


Arguments = dict[str, Any]


def add_supernet(parser: argparse.ArgumentParser, default: str | None = None) -> None:
    """Add the family, which is required unless there is a default."""
    parser.add_argument(
        "--supernet",
        required=default is None,
        help="a family, such as ofa_mbv3_w1.2, or a file that holds one of your own: what "
        "`Family.save` wrote, a checkpoint, a predictor"
        + (f" (default: that of {default})" if default else ""),
    )


def family_from(arguments: Arguments, *files: str) -> Family:
    """Return the family of ``--supernet``, or that of the first file among other arguments.

    Raises:
        InvalidArgumentError: If there is neither.
        FormatError: If the file holds no family.
    """
    from optuna_ofa.exceptions import InvalidArgumentError
    from optuna_ofa.space import find_family

    if arguments["supernet"]:
        return find_family(arguments["supernet"], "supernet")
    found = [arguments[name] for name in files if arguments[name]]
    path = next((path for path in found if Path(path).is_file()), None)
    if path is None:
        raise InvalidArgumentError(
            f"`supernet` must be a family where {' and '.join(f'`{f}`' for f in files)} are no "
            f"files that hold one, but got None."
        )
    return find_family(path, "supernet")


def add_table(parser: argparse.ArgumentParser) -> None:
    """Add the resolutions of a table and the method that measures it."""
    parser.add_argument("--resolutions", type=int, nargs="+", help="input sizes to measure")
    parser.add_argument(
        "--method",
        choices=("networks", "layers"),
        help="where layers' times come from (default: whole networks if the runtime has a profile)",
    )


def add_settings(parser: argparse.ArgumentParser, *, of_table: bool = False) -> None:
    """Add all of `MeasurementSettings` but the largest spread.

    Args:
        parser: The parser.
        of_table: Whether the runtime is that of a latency table, which is known later.
    """
    add_runtime(parser, of_table=of_table)
    parser.add_argument("--threads", type=int, default=1, help="default: 1")
    parser.add_argument("--device", default="cpu", help="cpu (default), or cuda with torch")
    parser.add_argument("--pin", type=int, nargs="+", default=(), help="processors to keep to")
    parser.add_argument("--n-rounds", type=int, default=20, help="default: 20")


def add_runtime(parser: argparse.ArgumentParser, *, of_table: bool = False) -> None:
    """Add those of `MeasurementSettings` that graphs depend on."""
    parser.add_argument(
        "--runtime",
        default=None if of_table else "onnxruntime",
        choices=RUNTIME_NAMES,
        help=f"default: {'that of the latency table' if of_table else 'onnxruntime'}",
    )
    parser.add_argument("--batch", type=int, default=1, help="images at once (default: 1)")
    parser.add_argument("--precision", default="float32", help="float32 (default), int8, ...")


def measurement_settings(
    arguments: Arguments, table: Mapping[str, Any] | None = None
) -> MeasurementSettings:
    """Return the settings that `add_settings` added.

    Args:
        arguments: The arguments.
        table: Metadata of a latency table, whose runtime is taken where none is given.
    """
    from optuna_ofa.profiling import MeasurementSettings

    of_table = (table or {}).get("runtime")
    default = of_table if of_table in RUNTIME_NAMES else "onnxruntime"
    arguments = {**arguments, "runtime": arguments["runtime"] or default}
    names = {field.name for field in dataclasses.fields(MeasurementSettings)}
    return MeasurementSettings(**{n: value for n, value in arguments.items() if n in names})


def add_sample(parser: argparse.ArgumentParser, *, of_table: bool = False) -> None:
    """Add the random subnets that are measured, and where to."""
    parser.add_argument("--n", type=int, default=50, help="how many random subnets (default: 50)")
    parser.add_argument("--seed", type=int, default=0, help="default: 0")
    parser.add_argument("--storage", help="database of measurements, such as sqlite:///phone.db")
    add_settings(parser, of_table=of_table)


def add_study(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Add the storage and the name of a study, and its predictors."""
    parser.add_argument(
        "--storage", required=required, help="database of studies, such as sqlite:///nas.db"
    )
    parser.add_argument("--study", default="optuna-ofa", help="its name (default: optuna-ofa)")
    parser.add_argument("--hardware", help="latency table: a name, a file or a folder")
    parser.add_argument("--accuracy", help="accuracy predictor: a name or a file")


def add_within(parser: argparse.ArgumentParser, help: str) -> None:
    """Add limits by metric."""
    parser.add_argument(
        "--within", type=limit, action="append", default=[], metavar="METRIC=VALUE", help=help
    )


def limit(text: str) -> tuple[str, float]:
    """Parse ``latency_ms=20``.

    Raises:
        argparse.ArgumentTypeError: If it is no limit of a metric.
    """
    name, _, value = text.partition("=")
    try:
        if name not in METRIC_NAMES:
            raise ValueError(name)
        return name, float(value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"must be METRIC=VALUE, such as latency_ms=20, with a metric out of "
            f"{', '.join(METRIC_NAMES)}, but got {text!r}"
        ) from error


def limits(pairs: Sequence[tuple[str, float]]) -> dict[str, float]:
    """Return limits by metric; of two for one metric the last."""
    return dict(pairs)


class Output(NamedTuple):
    """The output of a command.

    Args:
        text: For people.
        data: The same for machines (JSON), printed instead with ``--json``.
    """

    text: str
    data: dict[str, Any]


class Command(NamedTuple):
    """A command.

    Args:
        name: Its name.
        summary: One line that describes it, without a full stop.
        examples: Command lines with their purposes, shown below the help.
        add_arguments: Adds the command's own arguments to its parser.
        run: Runs the command with the parsed arguments by name. It has imports of its own,
            because the module is imported to show the help of any command.
    """

    name: str
    summary: str
    examples: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[Arguments], Output]
