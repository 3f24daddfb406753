"""Points of fronts that are far from what a predictor was fitted on."""

from __future__ import annotations

import copy
import re
import warnings
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import optuna_ofa
from optuna_ofa import SearchSpace, SubnetStudy
from optuna_ofa.exceptions import ExtrapolationWarning, PredictionError
from optuna_ofa.fronts import evenly, extrapolation_note, extrapolation_warning
from optuna_ofa.predictors import AccuracyPredictor, ConfidenceBound, CostPredictor, Predictor
from optuna_ofa.predictors._remembered import SharedPredictor
from optuna_ofa.predictors.latency._correction import Correction
from optuna_ofa.predictors.latency._recalibrated import CorrectedPredictor

Make = Callable[..., Any]
REASON = "the predictor of top1 was not fitted on anything near them"


class TestPoints:
    def test_a_point_names_the_metrics_that_are_extrapolated(self, far_study: SubnetStudy) -> None:
        front = far_study.front()
        assert {p.extrapolated for p in front} == {(), ("top1",)}
        assert [p.top1 > 72 for p in front] == [p.extrapolated == ("top1",) for p in front]

    def test_its_interval_is_that_of_the_predictor(self, far_study: SubnetStudy) -> None:
        for point in far_study.front():
            assert point.std["top1"] == (3.0 if point.extrapolated else 0.5)

    def test_words_say_so(self, far_study: SubnetStudy) -> None:
        words = {("top1 extrapolated" in str(p), bool(p.extrapolated)) for p in far_study.front()}
        assert words == {(True, True), (False, False)}
        assert "± 3.00 %" in str(far_study.front()[-1])

    def test_rows_say_so(self, far_study: SubnetStudy) -> None:
        front = far_study.front()
        column = front.to_dataframe()["extrapolated"].tolist()
        assert column == ["top1" if p.extrapolated else "no" for p in front]

    def test_notebooks_say_so(self, far_study: SubnetStudy) -> None:
        front = far_study.front()
        n = sum(bool(p.extrapolated) for p in front)
        html = front._repr_html_()
        shown = [front[i] for i in evenly(len(front), 10)]
        assert len(re.findall(r">† 7\d\.", html)) == sum(bool(p.extrapolated) for p in shown)
        assert f"† {n} of {len(front)} points are extrapolated: {REASON}" in html
        assert "predicted, extrapolated" in front[-1]._repr_html_()
        assert f"on the Pareto front, {n} of them extrapolated; its knee" in far_study._repr_html_()

    def test_measured_points_are_not_extrapolated(self, far_study: SubnetStudy) -> None:
        far = [p for p in far_study.front() if p.extrapolated][:2]
        far_study.verify({"top1": lambda _: 71.5, "latency_ms": lambda _: 20.0}, points=far)
        measured = far_study.front(kind="measured")
        assert {p.extrapolated for p in measured} == {()}
        assert "extrapolated" not in measured._repr_html_()

    def test_a_constrained_metric_counts(
        self, make_study: Make, small_space: SearchSpace, far_accuracy: Make
    ) -> None:
        accuracy = far_accuracy(small_space)
        study = make_study(
            small_space, accuracy=accuracy, objectives=["latency_ms"], constraints={"top1": 72.1}
        )
        with pytest.warns(ExtrapolationWarning, match=r"extrapolated \(224 pixels\): the"):
            study.search(100)
        (point,) = study.front()
        assert (point.extrapolated, [*point.values]) == (("top1",), ["latency_ms"])

    def test_without_the_predictor_it_is_unknown(
        self, make_study: Make, small_space: SearchSpace, far_accuracy: Make, sqlite: str
    ) -> None:
        arguments = {"storage": sqlite, "study_name": "far"}
        study = make_study(small_space, accuracy=far_accuracy(small_space), **arguments)
        with pytest.warns(ExtrapolationWarning):
            study.search(100)
        front = optuna_ofa.load_study("far", sqlite).front()
        assert {p.extrapolated for p in front} == {None}
        assert set(front.to_dataframe()["extrapolated"]) == {"unknown"}
        assert "Which points are extrapolated is unknown" in front._repr_html_()
        accuracy = far_accuracy(small_space)
        known = optuna_ofa.load_study(
            "far", sqlite, accuracy=accuracy, hardware=study.problem.predictors["latency_ms"]
        )
        assert known.front() == study.front()

    def test_a_wrong_answer_of_a_predictor_is_told(
        self, far_study: SubnetStudy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        predictor = far_study.problem.predictors["top1"]
        monkeypatch.setattr(predictor, "extrapolates", lambda matrix: np.zeros(len(matrix)))
        monkeypatch.setattr(predictor, "predict_std", lambda matrix: None)
        with pytest.raises(PredictionError, match=r"`top1` must return \d+ truth values from"):
            far_study.front()


class TestNote:
    def test_it_counts_the_points(self, far_study: SubnetStudy) -> None:
        front = list(far_study.front())
        near = [p for p in front if not p.extrapolated]
        far = [p for p in front if p.extrapolated]
        assert extrapolation_note(near) == ""
        assert extrapolation_note([*near[:2], far[0], None], of="subnets") == (
            f"1 of 3 subnets is extrapolated: {REASON}. Measure them before you rely on their "
            f"values."
        )

    def test_it_names_all_metrics(self, far_study: SubnetStudy) -> None:
        point = replace(far_study.front()[0], extrapolated=("top1", "latency_ms"))
        assert "the predictors of top1 and latency_ms were not fitted" in extrapolation_note(
            [point]
        )


class TestWarning:
    def test_a_search_warns_once(
        self, make_study: Make, small_space: SearchSpace, far_accuracy: Make
    ) -> None:
        study = make_study(small_space, accuracy=far_accuracy(small_space), study_name="far")
        with pytest.warns(ExtrapolationWarning) as caught:
            study.search(100)
        assert re.fullmatch(
            r"\d+ of \d+ points of the predicted front of 'far' are extrapolated \(top1 72.\d\d to "
            rf"7\d.\d\d %, 224 pixels\): {REASON}: above 72 %. Measure some of them with `verify`, "
            r"or search a smaller space \(`SearchSpace.restrict`\).",
            str(caught[0].message),
        )
        assert caught[0].filename == __file__
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            study.search(50)

    @pytest.mark.parametrize(
        ("sizes", "words"),
        [([160], "160"), ([128, 160, 192], "128, 160, 192"), (range(128, 225, 4), "128 to 224")],
        ids=["one", "few", "many"],
    )
    def test_it_names_resolutions(
        self,
        far_study: SubnetStudy,
        sizes: Iterable[int],
        words: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        point = far_study.front()[-1]
        points = [replace(point, subnet=replace(point.subnet, resolution=r)) for r in sizes]
        problem = far_study.problem
        problem.space = SearchSpace("ofa_mbv3_w1.0", resolution=range(128, 225, 4))
        monkeypatch.setattr(problem.predictors["top1"], "extrapolation_reasons", lambda _: ["so"])
        text = extrapolation_warning(problem, points, "far")
        assert f"%, {words} pixels): {REASON}: so. Measure" in text

    def test_nothing_is_said_within_what_was_fitted(
        self,
        make_study: Make,
        small_space: SearchSpace,
        far_accuracy: Make,
        recwarn: pytest.WarningsRecorder,
    ) -> None:
        make_study(small_space, accuracy=far_accuracy(small_space, limit=99.0)).search(50)
        assert not recwarn.list


@pytest.mark.parametrize(
    "wrap",
    [
        SharedPredictor,
        ConfidenceBound,
        lambda inner: CorrectedPredictor(inner, Correction(0.0, 1.0, 0.1, 1.0, 3), {}),
        copy.deepcopy,
    ],
    ids=["shared", "bound", "corrected", "copy"],
)
def test_wrappers_extrapolate_where_the_predictor_does(
    wrap: Callable[[Predictor], Predictor], small_space: SearchSpace, far_accuracy: Make
) -> None:
    inner = far_accuracy(small_space)
    matrix = small_space.sample(100, seed=0)
    assert 0 < inner.extrapolates(matrix).sum() < 100
    assert np.array_equal(wrap(inner).extrapolates(matrix), inner.extrapolates(matrix))
    assert wrap(inner).extrapolation_reasons(matrix) == ["above 72 %"]


@pytest.mark.parametrize("k", [0.0, 1.0], ids=["mean", "cautious"])
def test_a_fitted_predictor_says_why(predictor: Make, k: float) -> None:
    space = SearchSpace("ofa_mbv3_w1.0", resolution=[160, 192]).restrict(kernel=3, expand=[3, 4])
    near = space.restrict(resolution=192)
    rows = near.sample(80, seed=0)
    macs = CostPredictor("n_macs", near).predict(rows)
    fitted = AccuracyPredictor.fit(space, rows, 60 + 5 * np.log(macs / 1e8), model="ridge")
    study = optuna_ofa.study(
        space,
        accuracy=ConfidenceBound(fitted, k) if k else fitted,
        hardware=predictor("latency_ms", space),
        seed=0,
    )
    with pytest.warns(ExtrapolationWarning, match=r"near them: resolution 160 is below the fitted"):
        study.search(100)
    front = study.front()
    assert {p.extrapolated for p in front if p.subnet.resolution == 160} == {("top1",)}
    flags = fitted.extrapolates(space.to_matrix([p.subnet for p in front]))
    assert [p.extrapolated == ("top1",) for p in front] == flags.tolist()
