"""Merging two latency tables of one device."""

from __future__ import annotations

import math
from collections.abc import Iterator

from optuna_ofa._arguments import checked
from optuna_ofa._warnings import warn
from optuna_ofa.exceptions import FamilyMismatchError, ImplausibleValueWarning, InvalidArgumentError
from optuna_ofa.predictors.latency._conditions import UNKNOWN, Conditions
from optuna_ofa.predictors.latency._doubts import OTHER_DEVICE, factor, n_copied
from optuna_ofa.predictors.latency._entries import Entry, TableSection
from optuna_ofa.predictors.latency._table import LatencyTable
from optuna_ofa.predictors.latency._table_files import TableContent
from optuna_ofa.space import require_family


@checked
def merge_tables(first: LatencyTable, second: LatencyTable) -> LatencyTable:
    """Return one table with the entries of two, measured on the same device.

    Entries in both tables are pooled, weighted by their numbers of runs. The metadata are those of
    the first table.

    Raises:
        FamilyMismatchError: If the tables are of different families or dialects.
        InvalidArgumentError: If they were measured differently, shared entries differ by a factor
            of more than 1.5 (the median), or sections share only some of their resolutions.

    Warns:
        ImplausibleValueWarning: If entries of both are equal to the last digit, so that runs are
            counted twice.
    """
    a, b = first.content, second.content
    _require_alike(a, b)
    _require_one_device(a, b)
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
    merged = tuple(TableSection(resolutions, entries) for resolutions, entries in sections.items())
    return LatencyTable(a._replace(sections=merged))


def _require_alike(a: TableContent, b: TableContent) -> None:
    if a.family and b.family:
        require_family(b.family, a.family, "second", "the second table", "in the second table")
    if a.dialect != b.dialect or a.family != b.family:
        names = [c.family.name if c.family else "an unknown family" for c in (a, b)]
        raise FamilyMismatchError(
            f"`second` must be a table of {names[0]} in the dialect {a.dialect.name}, but is "
            f"of {names[1]} in {b.dialect.name}."
        )
    for name in ("runtime", "settings", "processor"):
        if a.metadata.get(name) != b.metadata.get(name):
            raise InvalidArgumentError(
                f"`second` must be measured like the first table, with {name} "
                f"{a.metadata.get(name)!r}, but has {b.metadata.get(name)!r}."
            )


def _require_one_device(a: TableContent, b: TableContent) -> None:
    here, there = (Conditions.of(c.metadata).processor for c in (a, b))
    if here != there:
        raise InvalidArgumentError(
            f"`second` must be of the device of the first table, {here or UNKNOWN}, but is of "
            f"{there or UNKNOWN}."
        )
    first, second = (dict(_entries(c)) for c in (a, b))
    differ = factor(first, second)
    if differ is not None and differ > OTHER_DEVICE:
        raise InvalidArgumentError(
            f"`second` must be measured on the device of the first table, but its layers differ by "
            f"a factor of {differ:.3g} (median): they are of another device, unit or batch size."
        )
    n = n_copied(first, second)
    if n >= 3 and 2 * n > len(first.keys() & second.keys()):
        warn(
            f"`second` must be measured apart from the first table, but {n} of its entries are "
            f"equal to the last digit, and are counted twice.",
            ImplausibleValueWarning,
        )


def _entries(content: TableContent) -> Iterator[tuple[str, Entry]]:
    for section in content.sections:
        yield from section.entries.items()


def _pooled(a: Entry, b: Entry) -> Entry:
    """Return the mean, deviation and minimum of all runs; the medians are averaged."""
    n, m = max(a.n_runs, 1), max(b.n_runs, 1)
    share = m / (n + m)
    mean = a.mean_ms + share * (b.mean_ms - a.mean_ms)
    spread = (1 - share) * a.std_ms**2 + share * b.std_ms**2
    between = share * (1 - share) * (b.mean_ms - a.mean_ms) ** 2
    median = a.median_ms + share * (b.median_ms - a.median_ms)
    least = min(a.min_ms, b.min_ms)
    return Entry(mean, math.sqrt(spread + between), a.n_runs + b.n_runs, median, least)
