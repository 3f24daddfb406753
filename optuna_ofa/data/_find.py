"""Finding predictors from the names, paths and objects that users pass."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from optuna_ofa._arguments import argument_called
from optuna_ofa._downloads import fetch
from optuna_ofa._published import PUBLISHED
from optuna_ofa._rules import shown
from optuna_ofa._suggestions import did_you_mean
from optuna_ofa.data._packaged import (
    default_table_name,
    packaged_accuracy,
    packaged_table,
    table_names,
)
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.predictors import (
    AccuracyPredictor,
    LatencyPredictor,
    LatencyTable,
    NetworkLatencyPredictor,
    Predictor,
    PredictorSource,
    as_predictor,
    require_sound,
)
from optuna_ofa.space import ChoiceTable, Family, SearchSpace, find_family, known_families

_logger = logging.getLogger(__name__)
HardwareSource = str | Path | LatencyTable | PredictorSource
AccuracySource = str | Path | PredictorSource
Found = (
    LatencyTable | Predictor | Callable[[Any], Any]
)  # functions are wrapped once the space is known


def find_table(hardware: str | Path, family: Family) -> LatencyTable | NetworkLatencyPredictor:
    """Return a table or a predictor of whole subnets by path, or a table by name.

    Names are those of published tables and of the family's packaged ones.

    Raises:
        InvalidArgumentError: If it is none of these, or a published table of other families.
        DownloadError: If a published table cannot be fetched.
    """
    if os.path.exists(Path(hardware)):
        fitted = NetworkLatencyPredictor.is_file(hardware)
        return (NetworkLatencyPredictor if fitted else LatencyTable).load(hardware)
    names = _tables_for(family)
    if str(hardware) in names:
        return _of_device(LatencyTable.load(fetch(str(hardware))), str(hardware))
    packaged = packaged_table(str(hardware), family)
    if packaged is not None:
        return LatencyTable.load(packaged)
    known = [*table_names(family), *names]
    others = [name for file in PUBLISHED if file.name == hardware for name in file.supernets]
    if others:
        raise InvalidArgumentError(
            f"`hardware` must be a table of {family.name}, but {hardware!r} is one of "
            f"{' and '.join(dict.fromkeys(others))}; "
            + (f"its own are {', '.join(known)}." if known else "none is packaged for it.")
        )
    raise InvalidArgumentError(
        f"`hardware` must be a latency table, a file or folder that exists, or one of "
        f"{', '.join(known)}, but got {shown(str(hardware))}"
        f"{did_you_mean(hardware, [*known, *_published('table')])}"
    )


def _tables_for(family: Family) -> list[str]:
    """Return the names of published tables that may have a family's layers.

    A custom family may have those of a published one.
    """
    if family not in known_families():
        return _published("table")
    found = (f.name for f in PUBLISHED if f.kind == "table" and family.name in f.supernets)
    return list(dict.fromkeys(found))


def _of_device(table: LatencyTable, name: str) -> LatencyTable:
    """Return a published table with its device, which is not in its file."""
    device = next(file.device for file in PUBLISHED if file.name == name)
    return LatencyTable(table.content._replace(metadata={"processor": device}))


def default_table(family: Family) -> LatencyTable | NetworkLatencyPredictor:
    """Return the packaged table of a family.

    Raises:
        InvalidArgumentError: If the family has none.
    """
    name = default_table_name(family)
    if name is None:
        raise InvalidArgumentError(
            f"`hardware` must be given, because no latency table for {family.name} is packaged: "
            f"{', '.join(['a file, a folder', *_tables_for(family), 'or a LatencyTable'])}."
        )
    return find_table(name, family)


def find_hardware(hardware: HardwareSource | None, table: Family | ChoiceTable) -> Found:
    """Return the latency source of a device; None means the packaged table of the family.

    Raises:
        InvalidArgumentError, DownloadError: As `find_table` and `default_table`.
    """
    if hardware is not None and not isinstance(hardware, str | Path):
        return hardware
    family = _with_published(table, "hardware", hardware)
    if hardware is None:
        return default_table(family)
    with argument_called("hardware", "path"):
        return find_table(hardware, family)


def _with_published(table: Family | ChoiceTable, argument: str, given: object) -> Family:
    """Return the family; refuse a plain table of choices, for which nothing is published."""
    if isinstance(table, Family):
        return table
    raise InvalidArgumentError(
        f"`{argument}` must be a predictor or a function on the plain table of choices "
        f"{table.name!r}, which has no architecture and nothing published, or `objectives` and "
        f"`constraints` must be metrics of your own, but got {shown(given)}."
    )


def choices_of(space: str | os.PathLike[str] | Family | SearchSpace) -> Family | ChoiceTable:
    """Return the family, or the plain table, of a space, a family, a name or a file."""
    if isinstance(space, SearchSpace):
        return space.table
    return find_family(space, "space")


def find_accuracy(accuracy: AccuracySource | None, table: Family | ChoiceTable) -> Found:
    """Return an accuracy predictor by path or name; None means the family's default.

    Names are those of published predictors, and ``"linear"`` for the family's packaged linear one.

    Raises:
        InvalidArgumentError: If there is none of that name, or no default.
        DownloadError: If a published predictor cannot be fetched.
        FamilyMismatchError: If it is for another family.
    """
    if accuracy is not None and not isinstance(accuracy, str | Path):
        return accuracy
    family = _with_published(table, "accuracy", accuracy)
    if accuracy is None:
        packaged = packaged_accuracy(family)
        if packaged is not None:
            return AccuracyPredictor.load(packaged)
        accuracy = f"{family.name}_accuracy"
        if accuracy not in _published("accuracy"):
            raise InvalidArgumentError(
                f"`accuracy` must be given, because no predictor for {family.name} is packaged "
                f"or published: a file, an AccuracyPredictor, or objectives without top1."
            )
    if os.path.exists(Path(accuracy)):
        with argument_called("accuracy", "path"):
            return AccuracyPredictor.load(accuracy)
    known = _published("accuracy")
    if str(accuracy) in known:
        return AccuracyPredictor.load(fetch(str(accuracy)))
    linear = packaged_accuracy(family, "linear")
    if linear is not None:
        known = [*known, "linear"]
        if str(accuracy) == "linear":
            return AccuracyPredictor.load(linear)
    raise InvalidArgumentError(
        f"`accuracy` must be a predictor, a file that exists, or one of {', '.join(known)}, but "
        f"got {shown(str(accuracy))}{did_you_mean(accuracy, known)}"
    )


def covered_space(space: str | os.PathLike[str] | Family, found: Iterable[Found]) -> SearchSpace:
    """Return the space of a family with the resolutions that all predictors cover.

    Raises:
        InvalidArgumentError: If there is none.
    """
    family = find_family(space, "space")
    covered = set(family.resolutions)
    for source in found:
        if isinstance(source, LatencyTable):
            covered &= set(source.covered(family.resolutions))
        elif isinstance(source, Predictor) and source.space.table == family:
            # other predictors are checked when the problem is created; functions cover everything
            covered &= set(source.space.resolutions)
    if not covered:
        raise InvalidArgumentError(
            f"`hardware` and `accuracy` must cover a common resolution of {family.name}, which "
            f"has {family.resolutions}, but they have none."
        )
    if len(covered) < len(family.resolutions):
        _logger.info("Searching the resolutions that all predictors cover: %s.", sorted(covered))
    return SearchSpace(family, resolution=covered)


def predictor_on(space: SearchSpace, metric: str, found: Found) -> Predictor:
    """Return the predictor of a table or function on a space, or the user's own.

    Raises:
        InvalidArgumentError: If a function takes neither a subnet nor a matrix.
        FormatError: If a table predicts latencies that are impossible.
    """
    if isinstance(found, LatencyTable):
        predictor = LatencyPredictor(table=found, space=space)
        require_sound(predictor, "`hardware`, a latency table,", with_std=False)
        return predictor
    argument = "accuracy" if metric == "top1" else "hardware"
    return as_predictor(metric, found, space, argument)


def _published(kind: str) -> list[str]:
    """Names of published files: accuracy predictors, or tables."""
    return list(dict.fromkeys(file.name for file in PUBLISHED if file.kind == kind))
