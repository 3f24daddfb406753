"""Putting tables together, comparing them, and writing them for other tools."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import yaml

from optuna_ofa._files import replacing
from optuna_ofa.costs import placements
from optuna_ofa.exceptions import FamilyMismatchError, InvalidArgumentError
from optuna_ofa.predictors.latency._dialects import OFA, PROXYLESSNAS, TableDialect
from optuna_ofa.predictors.latency._table import LatencyTable
from optuna_ofa.predictors.latency._table_files import Entry, Section, TableContent, entry_dict
from optuna_ofa.space import SearchSpace

_EXPORTS = {dialect.name: dialect for dialect in (OFA, PROXYLESSNAS)}


class EntryDifference(NamedTuple):
    """One layer in two tables.

    Args:
        resolution: Input size of the network in pixels.
        key: The layer.
        first_ms: Its mean in the first table, NaN where it is missing.
        second_ms: Its mean in the second table, NaN where it is missing.
    """

    resolution: int
    key: str
    first_ms: float
    second_ms: float

    @property
    def ratio(self) -> float:
        """How many times slower the layer is in the second table."""
        return self.second_ms / self.first_ms if self.first_ms else math.nan


def merge_tables(first: LatencyTable, second: LatencyTable) -> LatencyTable:
    """One table with the entries of two, measured on the same device.

    Entries that both have are pooled by their numbers of runs. The metadata of the first table
    stay.

    Raises:
        FamilyMismatchError: If the tables are of different families or dialects.
        InvalidArgumentError: If they were measured differently, or sections share some
            resolutions and not all.
    """
    a, b = first.content, second.content
    _require_alike(a, b)
    sections = {s.resolutions: dict(s.entries) for s in a.sections}
    for section in b.sections:
        known = sections.setdefault(section.resolutions, {})
        for key, entry in section.entries.items():
            known[key] = _pooled(known[key], entry) if key in known else entry
    seen = [r for resolutions in sections for r in resolutions]
    if len(seen) > len(set(seen)):
        raise InvalidArgumentError(
            f"`second` must have the resolutions of a section of the first table, or others, but "
            f"together they have {sorted(seen)}."
        )
    merged = tuple(Section(resolutions, entries) for resolutions, entries in sections.items())
    return LatencyTable(TableContent(a.dialect, merged, a.metadata))


def _require_alike(a: TableContent, b: TableContent) -> None:
    families = [c.metadata.get("family") for c in (a, b)]
    if a.dialect != b.dialect or families[0] != families[1]:
        raise FamilyMismatchError(
            f"`second` must be a table of {families[0]} in the dialect {a.dialect.name}, but is "
            f"of {families[1]} in {b.dialect.name}."
        )
    for name in ("runtime", "settings", "processor"):
        if a.metadata.get(name) != b.metadata.get(name):
            raise InvalidArgumentError(
                f"`second` must be measured as the first table was, with {name} "
                f"{a.metadata.get(name)!r}, but has {b.metadata.get(name)!r}."
            )


def _pooled(a: Entry, b: Entry) -> Entry:
    """The mean, deviation and minimum of all runs; the medians are averaged."""
    n, m = max(a.n_runs, 1), max(b.n_runs, 1)
    share = m / (n + m)
    mean = a.mean_ms + share * (b.mean_ms - a.mean_ms)
    spread = (1 - share) * a.std_ms**2 + share * b.std_ms**2
    between = share * (1 - share) * (b.mean_ms - a.mean_ms) ** 2
    median = a.median_ms + share * (b.median_ms - a.median_ms)
    least = min(a.min_ms, b.min_ms)
    return Entry(mean, math.sqrt(spread + between), a.n_runs + b.n_runs, median, least)


def diff_tables(first: LatencyTable, second: LatencyTable) -> list[EntryDifference]:
    """Every layer of two tables at the resolutions that either has, the largest change first.

    Raises:
        FamilyMismatchError: If the keys are written differently.
    """
    if first.dialect != second.dialect:
        raise FamilyMismatchError(
            f"`second` must be a table in the dialect {first.dialect}, but is in {second.dialect}."
        )
    a, b = (_means(table.content) for table in (first, second))
    found = [
        EntryDifference(*key, a.get(key, math.nan), b.get(key, math.nan))
        for key in dict.fromkeys([*a, *b])
    ]
    return sorted(found, key=_change, reverse=True)


def _change(difference: EntryDifference) -> float:
    change = abs(difference.second_ms - difference.first_ms)
    return math.inf if math.isnan(change) else change


def _means(content: TableContent) -> dict[tuple[int, str], float]:
    return {
        (s.resolutions[0], key): entry.mean_ms
        for s in content.sections
        for key, entry in s.entries.items()
    }


def export_yaml(table: LatencyTable, folder: Path, *, space: SearchSpace, dialect: str) -> None:
    """Write a table for the published code: one ``224_lookup_table.yaml`` a resolution.

    Args:
        table: The table.
        folder: Is made where it does not exist; files of the same name are replaced.
        space: The layers and resolutions that are written.
        dialect: ``"ofa"`` or ``"proxylessnas"``.

    Raises:
        InvalidArgumentError: If the dialect is neither.
        FamilyMismatchError: If it cannot name the layers of the family.
        MissingEntryError: If the table lacks a layer.
    """
    target = _EXPORTS.get(dialect)
    if target is None:
        raise InvalidArgumentError(
            f"`dialect` must be one of {', '.join(_EXPORTS)}, but got {dialect!r}."
        )
    if space.family.architecture not in target.architectures:
        raise FamilyMismatchError(
            f"`dialect` {dialect!r} must be for {'/'.join(target.architectures)}, but the space "
            f"is of {space.family.architecture}."
        )
    table = table.fill(space)
    folder.mkdir(parents=True, exist_ok=True)
    for resolution in space.resolutions:
        entries = _translated(table, space.restrict(resolution=resolution), target, resolution)
        data = {key: entry_dict(entry) for key, entry in sorted(entries.items())}
        with replacing(folder / f"{resolution}_lookup_table.yaml") as place:
            place.write_text(yaml.safe_dump(data), encoding="utf-8")


def _translated(
    table: LatencyTable, space: SearchSpace, target: TableDialect, resolution: int
) -> Mapping[str, Entry]:
    """The entries under the keys of another dialect."""
    n_classes = space.family.head.n_classes
    entries: dict[str, Entry] = {}
    included = []
    logits = ""
    for layer in dict.fromkeys(place.layer for place in placements(space)):
        key = target.key(layer, n_classes)
        entry = table.layer(layer, resolution, n_classes)
        if key is None:  # an entry of the dialect stands for this layer too
            included.append(entry)
            continue
        entries[key] = entry
        if layer.role == target.logits_role:
            logits = key
    for entry in included:
        entries[logits] = _added(entries[logits], entry)
    return entries


def _added(a: Entry, b: Entry) -> Entry:
    return Entry(a.mean_ms + b.mean_ms, math.hypot(a.std_ms, b.std_ms), min(a.n_runs, b.n_runs))
