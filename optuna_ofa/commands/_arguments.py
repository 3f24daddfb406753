"""Arguments that several commands have."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optuna_ofa.commands._command import Arguments
from optuna_ofa.commands._parser import limit, number, positive, storage, whole

if TYPE_CHECKING:
    from optuna_ofa.profiling import MeasurementSettings
    from optuna_ofa.space import Family

# Copies of names in `optuna_ofa.profiling` and `optuna_ofa.problem`, which take seconds to import;
# a test compares them.
RUNTIME_NAMES = ("onnxruntime", "openvino", "executorch", "torch")
METRIC_NAMES = ("top1", "latency_ms", "n_macs", "n_params", "moved_mb", "peak_memory_mb")
DEFAULT_STORAGE, DEFAULT_STUDY = "sqlite:///optuna_ofa.db", "optuna-ofa"


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

    source = family_source(arguments, *files)
    if source is None:
        flags = " and ".join(f"`{name}`" for name in files)
        raise InvalidArgumentError(
            f"`supernet` must be given where {flags} are no files that hold a family."
        )
    return find_family(arguments[source], source)


def family_source(arguments: Arguments, *files: str) -> str | None:
    """Return the argument that holds the family: ``supernet``, or the first that is a file."""
    if arguments["supernet"]:
        return "supernet"
    return next((name for name in files if Path(arguments[name] or "").is_file()), None)


def add_table(parser: argparse.ArgumentParser) -> None:
    """Add the resolutions of a table and the method that measures it."""
    parser.add_argument("--resolutions", type=whole, nargs="+", help="input sizes to measure")
    parser.add_argument(
        "--method",
        choices=("networks", "layers"),
        help="where layers' times come from (default: whole networks if the runtime has a profile)",
    )


def add_settings(parser: argparse.ArgumentParser, *, of_table: bool = False) -> None:
    """Add all of `MeasurementSettings` but the largest spread.

    Args:
        parser: The parser.
        of_table: Whether the settings are those of a latency table, which is known later.
    """
    add_runtime(parser, of_table=of_table)
    parser.add_argument("--threads", **_setting(1, of_table, type=positive))
    parser.add_argument("--device", **_setting("cpu", of_table, "cpu, or cuda with torch"))
    parser.add_argument("--pin", type=whole, nargs="+", default=(), help="processors to keep to")
    parser.add_argument("--n-rounds", type=positive, default=20, help="default: 20")


def add_runtime(parser: argparse.ArgumentParser, *, of_table: bool = False) -> None:
    """Add those of `MeasurementSettings` that graphs depend on."""
    parser.add_argument(
        "--runtime",
        default=None if of_table else "onnxruntime",
        choices=RUNTIME_NAMES,
        help=f"default: {'that of the latency table' if of_table else 'onnxruntime'}",
    )
    parser.add_argument("--batch", **_setting(1, of_table, "images at once", type=positive))
    parser.add_argument("--precision", **_setting("float32", of_table, "float32, int8, ..."))


def _setting(default: object, of_table: bool, help: str = "", **arguments: Any) -> dict[str, Any]:
    """Return arguments of a setting whose default is that of a latency table, if there is one."""
    usual = "that of the latency table" if of_table else default
    words = f"{help} (default: {usual})" if help else f"default: {usual}"
    return {"default": None if of_table else default, "help": words, **arguments}


def measurement_settings(
    arguments: Arguments, table: Mapping[str, Any] | None = None
) -> MeasurementSettings:
    """Return the settings that `add_settings` added.

    Args:
        arguments: The arguments.
        table: Metadata of a latency table, whose runtime and settings are taken where none are
            given.
    """
    from optuna_ofa.predictors import Conditions
    from optuna_ofa.profiling import MeasurementSettings

    names = {field.name for field in dataclasses.fields(MeasurementSettings)}
    of_table = {n: v for n, v in Conditions.of(table or {})._asdict().items() if v and n in names}
    if of_table.get("runtime") not in RUNTIME_NAMES:
        of_table = {}  # of another kind of runtime, whose settings are its own
    given = {n: arguments[n] for n in names & arguments.keys() if arguments[n] is not None}
    return MeasurementSettings(**of_table | given)


def add_sample(parser: argparse.ArgumentParser, *, of_table: bool = False) -> None:
    """Add the random subnets that are measured, and where to."""
    parser.add_argument("--n", type=whole, default=50, help="how many random subnets (default: 50)")
    parser.add_argument("--seed", type=whole, default=0, help="default: 0")
    parser.add_argument(
        "--storage", type=storage, help="database of measurements, such as sqlite:///phone.db"
    )
    add_settings(parser, of_table=of_table)


def add_storage(parser: argparse.ArgumentParser) -> None:
    """Add the storage of studies."""
    parser.add_argument(
        "--storage",
        type=storage,
        default=DEFAULT_STORAGE,
        help=f"database of studies, such as sqlite:///nas.db (default: {DEFAULT_STORAGE})",
    )


def add_study(parser: argparse.ArgumentParser) -> None:
    """Add the storage and the name of a study, and its predictors."""
    add_storage(parser)
    parser.add_argument("--study", help="its name (default: the only one of the storage)")
    parser.add_argument("--hardware", help="latency table: a name, a file or a folder")
    parser.add_argument("--accuracy", help="accuracy predictor: a name or a file")


def add_kind(parser: argparse.ArgumentParser) -> None:
    """Add the kind of trials."""
    parser.add_argument(
        "--kind", choices=("predicted", "measured"), help="default: measured, if there are any"
    )


def add_limits(parser: argparse.ArgumentParser) -> None:
    """Add the limits whose best subnets are shown, and the kind of trials."""
    parser.add_argument(
        "--limits",
        type=number,
        nargs="+",
        metavar="MS",
        help="latencies whose best subnets are shown (default: five along the front)",
    )
    add_kind(parser)


def add_plot(parser: argparse.ArgumentParser, what: str) -> None:
    """Add the file of a picture."""
    parser.add_argument("--plot", help=f"draw {what}: a file that ends in .html, .png or .svg")


def add_within(parser: argparse.ArgumentParser, help: str) -> None:
    """Add limits by metric."""
    parser.add_argument(
        "--within", type=limit, action="append", default=[], metavar="METRIC=VALUE", help=help
    )
