"""Extrapolated points are marked in every figure that has points of fronts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

import optuna_ofa
from optuna_ofa import FrontPoint, SubnetStudy
from optuna_ofa.predictors import CostPredictor
from optuna_ofa.visualization import plot_accuracy_macs, plot_front, plot_fronts, plot_verification

pytestmark = [
    pytest.mark.usefixtures("quiet_optuna"),
    pytest.mark.filterwarnings("ignore::optuna_ofa.exceptions.ExtrapolationWarning"),
]


def marks_in(figure: go.Figure) -> list[Any]:
    return [trace for trace in figure.data if (trace.name or "").startswith("extrapolated")]


def far_points(study: SubnetStudy) -> list[FrontPoint]:
    return [point for point in study.front() if point.extrapolated]


def by_latency(study: SubnetStudy) -> list[tuple[float, float]]:
    return [(point.latency_ms, point.top1) for point in far_points(study)]


def by_macs(study: SubnetStudy) -> list[tuple[float, float]]:
    points = far_points(study)
    matrix = study.space.to_matrix([point.subnet for point in points])
    macs = CostPredictor("n_macs", study.space).predict(matrix) / 1e6
    return [(n, point.top1) for n, point in zip(macs.tolist(), points, strict=True)]


@pytest.mark.parametrize(
    ("draw", "places"),
    [
        (plot_front, by_latency),
        (lambda study: plot_fronts({"a": study}), by_latency),
        (plot_accuracy_macs, by_macs),
    ],
    ids=["front", "fronts", "accuracy-macs"],
)
class TestFigures:
    def test_extrapolated_points_have_a_square_and_a_legend_entry(
        self,
        far_study: SubnetStudy,
        draw: Callable[[SubnetStudy], go.Figure],
        places: Callable[[SubnetStudy], list[tuple[float, float]]],
    ) -> None:
        figure = draw(far_study)
        (marks,) = marks_in(figure)
        expected = places(far_study)
        assert 0 < len(expected) < len(far_study.front())
        np.testing.assert_allclose(list(zip(marks.x, marks.y, strict=True)), expected)
        assert marks.name == f"extrapolated: outside the fitted subnets ({len(expected)})"
        assert marks.marker.symbol == "square-open"
        assert figure.layout.showlegend is not False

    def test_hovering_says_so_with_the_interval(
        self, far_study: SubnetStudy, draw: Callable[[SubnetStudy], go.Figure], places: object
    ) -> None:
        texts = [text for trace in draw(far_study).data for text in trace.hovertext or ()]
        far = [text for text in texts if "top1 extrapolated" in text and "± 3.00 %" in text]
        n_knees = sum(text.startswith("knee") for text in far)
        assert len(far) - n_knees == len(far_points(far_study))
        assert any("± 0.50 %" in text and "extrapolated" not in text for text in texts)

    def test_measured_points_are_not_marked(
        self, far_study: SubnetStudy, draw: Callable[[SubnetStudy], go.Figure], places: object
    ) -> None:
        points = far_points(far_study)[:3]
        values = {p.subnet: p.values for p in points}
        measure = {m: lambda s, m=m: values[s][m] for m in ("top1", "latency_ms")}
        far_study.verify(measure, points=points)
        study = far_study.snapshot()
        figure = draw(study) if draw is not plot_front else plot_front(study, kind="measured")
        assert marks_in(figure) == []

    def test_a_study_without_its_predictors_says_that_it_is_unknown(
        self,
        make_study: Callable[..., SubnetStudy],
        sqlite: str,
        draw: Callable[[SubnetStudy], go.Figure],
        places: object,
    ) -> None:
        make_study(storage=sqlite, study_name="laptop").search(100)
        figure = draw(optuna_ofa.load_study("laptop", sqlite))
        assert marks_in(figure) == []
        assert figure.layout.meta["notes"][-1] == (
            "extrapolated points are not marked: the study was opened without its predictors"
        )


def test_points_of_three_objectives_are_marked(
    make_study: Callable[..., SubnetStudy], far_accuracy: Callable[..., Any], small_space: Any
) -> None:
    objectives = ["top1", "latency_ms", "n_params"]
    study = make_study(small_space, accuracy=far_accuracy(small_space), objectives=objectives)
    study.search(150)
    (marks,) = marks_in(plot_front(study))
    assert sorted(zip(marks.x, marks.y, strict=True)) == sorted(by_latency(study))


def test_predictions_of_a_verification_are_marked(far_study: SubnetStudy) -> None:
    measure: dict[str, Any] = {"top1": lambda _: (71.5, 0.4), "latency_ms": lambda _: 20.0}
    found = far_study.verify(measure, points=6)
    figure = plot_verification(found)
    (marks,) = marks_in(figure)
    far = [p for p in found if p.is_extrapolated("top1")]
    assert 0 < len(far) < 6
    assert marks.y.tolist() == [p.predicted["top1"] for p in far]
    (predicted,) = (trace for trace in figure.data if trace.name == "predicted")
    assert sum(" predicted (extrapolated), 71.50" in text for text in predicted.hovertext) == len(
        far
    )
