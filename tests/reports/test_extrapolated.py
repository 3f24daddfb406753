"""Reports mark what is extrapolated, and say on how many images accuracies were measured."""

from __future__ import annotations

import html
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import optuna_ofa
from optuna_ofa import SubnetStudy
from optuna_ofa.fronts import Picks, find_picks
from optuna_ofa.reports._table import pick_note, pick_table

NOTE = (
    "† {} of {} picks are extrapolated: the predictor of top1 was not fitted on anything near "
    "them. Measure them before you rely on their values."
)


def shown(study: SubnetStudy) -> Mapping[str, Any]:
    found = study.snapshot()
    picks: Picks = find_picks(found.front())
    return {study.study_name: (found, picks)}


def page_of(study: SubnetStudy, path: Path) -> str:
    return html.unescape(study.report(path / "report.html").read_text(encoding="utf-8"))


def test_cells_of_extrapolated_picks_have_a_mark_that_a_note_explains(
    far_study: SubnetStudy,
) -> None:
    table, (_, picks) = pick_table(shown(far_study)), shown(far_study)["far"]
    column = table.head.index("Top-1 accuracy (%)")
    marked = [row[column].startswith("† ") for row in table.rows]
    assert marked == [bool(point.extrapolated) for point in picks.values()]
    assert 2 <= sum(marked) < len(marked)
    assert pick_note(shown(far_study)) == NOTE.format(sum(marked), len(marked))


def test_the_page_has_the_note_and_explains_the_squares(
    far_study: SubnetStudy, tmp_path: Path
) -> None:
    page = page_of(far_study, tmp_path)
    assert f'<p class="note">{pick_note(shown(far_study))}</p>' in page
    front = far_study.front()
    n = sum(bool(point.extrapolated) for point in front)
    assert f"Squares mark extrapolated points. {n} of {len(front)} points are extrapolated" in page


def test_a_constrained_metric_is_marked_beside_its_kind(far_study: SubnetStudy) -> None:
    study = optuna_ofa.study(
        far_study.space,
        accuracy=far_study.problem.predictors["top1"],
        hardware=far_study.problem.predictors["latency_ms"],
        objectives=["latency_ms", "n_params"],
        constraints={"top1": 72.1},
    )
    with pytest.warns(UserWarning, match="extrapolated"):
        study.search(50)
    table = pick_table(shown(study))
    assert {row[table.head.index("Values are")] for row in table.rows} == {"predicted †"}


def test_nothing_is_said_within_what_was_fitted(far_study: SubnetStudy, tmp_path: Path) -> None:
    near = {p.subnet: p.values for p in far_study.front() if not p.extrapolated}
    measure = {m: lambda s, m=m: near[s][m] for m in ("top1", "latency_ms")}
    far_study.verify(measure, points=near)
    assert pick_note(shown(far_study)) == ""
    assert '<p class="note">' not in page_of(far_study, tmp_path)
