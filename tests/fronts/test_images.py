"""Measured accuracies say on how many images they were measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import optuna
import pytest

from optuna_ofa import Front, SearchSpace, SubnetStudy
from optuna_ofa.fronts import title_of
from optuna_ofa.problem import METRICS
from optuna_ofa.reports._table import pick_table
from optuna_ofa.space import Matrix
from optuna_ofa.verification import Meter, Readings
from optuna_ofa.visualization import plot_front, plot_fronts, plot_verification


class OnImages(Meter):
    """Accuracies near the predictions of a study, on some images."""

    def __init__(self, study: SubnetStudy, n: int) -> None:
        self._predict, self._n = study.problem.predictors["top1"].predict, n

    def measure(self, space: SearchSpace, matrix: Matrix, storage: optuna.Study | None) -> Readings:
        n = np.full(len(matrix), self._n)
        return Readings(self._predict(matrix), np.full(len(matrix), 0.19), {}, n_images=n)


@pytest.fixture
def verify(far_study: SubnetStudy) -> Callable[..., SubnetStudy]:
    """Measure some points of a study on a number of images."""

    def measure(n: int = 50_000) -> SubnetStudy:
        latency = {p.subnet: p.latency_ms for p in far_study.front(kind="predicted")}
        meters = {"top1": OnImages(far_study, n), "latency_ms": latency.get}
        far_study.verify(meters, points=5)
        return far_study

    return measure


@pytest.fixture
def front(verify: Callable[..., SubnetStudy]) -> Front:
    return verify().front()


def test_points_have_the_number(front: Front) -> None:
    assert [p.n_images for p in front] == [{"top1": 50_000}] * 5
    assert "± 0.19 %, latency_ms" in str(front[0])
    assert "(measured, top1 on 50,000 images)" in str(front[0])
    assert "measured on 50,000 images" in front[0]._repr_html_()


def test_predicted_points_have_none(far_study: SubnetStudy) -> None:
    assert {len(p.n_images) for p in far_study.front(kind="predicted")} == {0}


def test_tables_have_it(front: Front, verify: Callable[..., SubnetStudy]) -> None:
    frame = front.to_dataframe()
    assert frame["top1_images"].tolist() == [50_000] * 5
    assert frame["top1_images"].dtype == "Int64"
    assert "Top-1 accuracy (%), on 50,000 images" in front._repr_html_()
    found = verify().snapshot()
    assert (
        "Top-1 accuracy (%), on 50,000 images" in pick_table({"a": (found, {"b": front[0]})}).head
    )


def test_a_file_has_whole_numbers_and_nothing_where_unknown(front: Front, tmp_path: object) -> None:
    points = [front[0], replace(front[1], n_images={})]
    rows = Front(points, front.objectives).to_csv(f"{tmp_path}/a.csv").read_text().splitlines()
    assert ",0.19,50000," in rows[1]
    assert ",0.19,,ofa_mbv3_w1.0@224" in rows[2]


def test_several_numbers_are_all_named(front: Front) -> None:
    other = replace(front[1], n_images={"top1": 500})
    title = title_of(METRICS["top1"], [front[0], None, other])
    assert title == "Top-1 accuracy (%), on 500 and 50,000 images"
    assert title_of(METRICS["latency_ms"], [front[0]]) == "Latency (ms)"


def test_figures_have_it_below_the_title(verify: Callable[..., SubnetStudy]) -> None:
    study = verify()
    verified = study.verify({"latency_ms": lambda _: 10.0}, points=[study.front()[0]])
    for figure in (plot_front(study), plot_fronts({"a": study}), plot_verification(verified)):
        assert any("top-1 measured on 50,000 images" in n for n in figure.layout.meta["notes"])
    assert "top1 on 50,000 images)" in plot_fronts({"a": study}).data[0].hovertext[0]
