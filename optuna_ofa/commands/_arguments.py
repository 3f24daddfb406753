"""Arguments shared by several commands."""

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
RUNTIME_NAMES = ("onnxruntime", "openvino", "executorch", "torch", "litert")
METRIC_NAMES = (
    *("top1", "latency_ms", "n_macs", "n_params", "moved_mb", "peak_memory_mb"),
    *("sram_kb", "flash_kb"),
)
DEFAULT_STORAGE, DEFAULT_STUDY = "sqlite:///optuna_ofa.db", "optuna-ofa"


def add_supernet(parser: argparse.ArgumentParser, default: str | None = None) -> None:
    """Add the family, which is required unless there is a default."""
    parser.add_argument(
        "--supernet",
        required=default is None,
        help="a family, such as ofa_mbv3_w1.2, or a file with a custom one: written by "
        "`Family.save`, a checkpoint or a predictor"
        + (f" (default: that of {default})" if default else ""),
    )


def family_from(arguments: Arguments, *files: str) -> Family:
    """Return the family of ``--supernet``, or that of the first file among other arguments.

    Raises:
        InvalidArgumentError: If there is neither.
        FormatError: If the file contains no family.
    """
    from optuna_ofa.exceptions import InvalidArgumentError
    from optuna_ofa.space import find_family

    source = family_source(arguments, *files)
    if source is None:
        flags = " and ".join(f"`{name}`" for name in files)
        raise InvalidArgumentError(
            f"`supernet` must be given if {flags} are not files that contain a family."
        )
    return find_family(arguments[source], source)


def family_source(arguments: Arguments, *files: str) -> str | None:
    """Return the argument with the family: ``supernet``, or the first one that is a file."""
    if arguments["supernet"]:
        return "supernet"
    return next((name for name in files if Path(arguments[name] or "").is_file()), None)


def add_table(parser: argparse.ArgumentParser, *, subnets: bool = False) -> None:
    """Add the resolutions of a table and the method that measures it.

    Args:
        parser: The parser.
        subnets: Whether whole subnets are a method too.
    """
    parser.add_argument("--resolutions", type=whole, nargs="+", help="input sizes to measure")
    parser.add_argument(
        "--method",
        choices=("networks", "layers", *(("subnets",) if subnets else ())),
        help="how layers are timed (default: in whole networks if the runtime has a profiler)",
    )


def add_settings(parser: argparse.ArgumentParser, *, of_table: bool = False) -> None:
    """Add all `MeasurementSettings` except the largest spread.

    Args:
        parser: The parser.
        of_table: Whether the settings default to those of a latency table, which is read later.
    """
    add_runtime(parser, of_table=of_table)
    parser.add_argument("--threads", **_setting(1, of_table, type=positive))
    parser.add_argument("--device", **_setting("cpu", of_table, "cpu, or cuda with torch"))
    parser.add_argument("--pin", type=whole, nargs="+", default=(), help="processors to run on")
    parser.add_argument("--n-rounds", type=positive, default=20, help="default: 20")


def add_runtime(parser: argparse.ArgumentParser, *, of_table: bool = False) -> None:
    """Add the `MeasurementSettings` that graphs depend on."""
    parser.add_argument(
        "--runtime",
        default=None if of_table else "onnxruntime",
        choices=RUNTIME_NAMES,
        help=f"default: {'that of the latency table' if of_table else 'onnxruntime'}",
    )
    parser.add_argument("--batch", **_setting(1, of_table, "images at once", type=positive))
    parser.add_argument("--precision", **_setting("float32", of_table, "float32, int8, ..."))


def _setting(default: object, of_table: bool, help: str = "", **arguments: Any) -> dict[str, Any]:
    """Return the arguments of a setting; its default is that of the latency table, if any."""
    usual = "that of the latency table" if of_table else default
    words = f"{help} (default: {usual})" if help else f"default: {usual}"
    return {"default": None if of_table else default, "help": words, **arguments}


def measurement_settings(
    arguments: Arguments, table: Mapping[str, Any] | None = None
) -> MeasurementSettings:
    """Return the settings that `add_settings` added.

    Args:
        arguments: The arguments.
        table: Metadata of a latency table, whose runtime and settings are used where none are
            given.
    """
    from optuna_ofa.predictors import Conditions
    from optuna_ofa.profiling import MeasurementSettings

    names = {field.name for field in dataclasses.fields(MeasurementSettings)}
    of_table = {n: v for n, v in Conditions.of(table or {})._asdict().items() if v and n in names}
    if of_table.get("runtime") not in RUNTIME_NAMES:
        of_table = {}  # another kind of runtime, with its own settings
    given = {n: arguments[n] for n in names & arguments.keys() if arguments[n] is not None}
    return MeasurementSettings(**of_table | given)


def add_sample(parser: argparse.ArgumentParser, *, of_table: bool = False) -> None:
    """Add the number of subnets to measure, and where measurements are kept."""
    parser.add_argument("--n", type=whole, default=50, help="how many subnets (default: 50)")
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
    """Add the storage, the name and the predictors of a study."""
    add_storage(parser)
    parser.add_argument("--study", help="its name (default: the only study in the storage)")
    parser.add_argument("--hardware", help="latency table: a name, a file or a folder")
    parser.add_argument("--accuracy", help="accuracy predictor: a name or a file")


def add_kind(parser: argparse.ArgumentParser) -> None:
    """Add the kind of trials."""
    parser.add_argument(
        "--kind",
        choices=("predicted", "measured"),
        help="kind of trials (default: measured, if there are any)",
    )


def add_limits(parser: argparse.ArgumentParser) -> None:
    """Add the limits within which the best subnets are shown, and the kind of trials."""
    parser.add_argument(
        "--limits",
        type=number,
        nargs="+",
        metavar="MS",
        help="show the best subnet within each latency limit (default: five along the front)",
    )
    add_kind(parser)


def add_plot(parser: argparse.ArgumentParser, what: str) -> None:
    """Add the file of a figure."""
    parser.add_argument("--plot", help=f"file for a figure of {what}: .html, .png, .svg or .pdf")


def add_within(parser: argparse.ArgumentParser, help: str) -> None:
    """Add limits by metric."""
    parser.add_argument(
        "--within", type=limit, action="append", default=[], metavar="METRIC=VALUE", help=help
    )
