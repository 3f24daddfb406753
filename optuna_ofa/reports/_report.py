"""A report of studies in one file."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from pathlib import Path

from optuna_ofa._arguments import OutputFile, checked
from optuna_ofa._writing import write_whole
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.fronts import (
    Findings,
    FrontPoint,
    Limits,
    Picks,
    Snapshot,
    find_picks,
    kind_of,
    named_findings,
    require_reached,
    shown_name,
)
from optuna_ofa.problem import Kind
from optuna_ofa.reports._page import page
from optuna_ofa.reports._sections import Section, study_sections
from optuna_ofa.reports._sources import find_sources
from optuna_ofa.reports._table import Table, pick_note, pick_table
from optuna_ofa.space import AnySubnet


@checked
def report(
    studies: Findings | Mapping[str, Findings],
    path: OutputFile,
    *,
    limits: Limits | None = None,
    picks: Mapping[str, FrontPoint] | None = None,
    kind: Kind | None = None,
    title: str | None = None,
    sections: Iterable[Section] = (),
) -> Path:
    """Write the findings of studies as one page, to read or print without Python or a network.

    It has a table of picks, all figures that apply to the studies, with captions, and the sources
    of the values. The file is written completely or not at all; it has about 5 MB, most of which is
    the plotting library.

    Args:
        studies: A study, or several with the same objectives by name, such as one per device.
        path: The file; its folder must exist.
        limits: The table has a row for each limit and study, as in `find_picks`.
        picks: More rows by name; only for a single study.
        kind: Whether picks and figures show predicted or measured values; None uses measured ones
            if all studies have some. Figures of single fronts show both.
        title: Title of the page; None names the studies.
        sections: More figures, which come first.

    Returns:
        The path.

    Raises:
        EmptyFrontError: If a study has no feasible trial of the kind.
        InvalidArgumentError: If the objectives differ, ``picks`` are given for several studies, no
            subnet of any study is within one of the limits, or nothing can be written to the path.
    """
    place = Path(path)
    by_name = studies if isinstance(studies, Mapping) else {shown_name(studies): studies}
    snapshots = {name: found.snapshot() for name, found in by_name.items()}
    kind = kind or kind_of([*snapshots.values()])
    named_findings(snapshots, kind)
    if picks and len(snapshots) > 1:
        raise InvalidArgumentError(
            f"`picks` must be None for several studies, but got {', '.join(picks)}."
        )
    require_reached(limits, [found.front(kind=kind) for found in snapshots.values()])
    shown = {
        name: (found, find_picks(found.front(kind=kind), limits=limits, picks=picks))
        for name, found in snapshots.items()
    }
    names = ", ".join(snapshots)
    text = page(
        title=title or f"{_noun(shown)} found by {names}",
        moment=datetime.datetime.now().astimezone(),
        kind=kind,
        picks=pick_table(shown),
        note=pick_note(shown),
        subnets=_subnets(shown),
        sections=[*sections, *study_sections(shown, kind=kind)],
        sources={
            name: Table(("", ""), tuple(find_sources(found)), (False, False))
            for name, found in snapshots.items()
        },
    )
    write_whole({place: text.encode()})
    return place


def _noun(shown: Mapping[str, tuple[Snapshot, Picks]]) -> str:
    (found, _), *_ = shown.values()
    return f"{found.space.noun}s".capitalize()


def _subnets(shown: Mapping[str, tuple[Snapshot, Picks]]) -> dict[str, AnySubnet]:
    """Return the subnet of each pick, by its name and, with several studies, that of its study."""
    return {
        f"{study}, {name}" if len(shown) > 1 else name: point.subnet
        for study, (_, picks) in shown.items()
        for name, point in picks.items()
        if point is not None
    }
