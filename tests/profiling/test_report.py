"""Figures and drawings of predictions against measurements."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from optuna_ofa import SearchSpace, latency_report
from optuna_ofa.exceptions import FamilyMismatchError, InvalidArgumentError
from optuna_ofa.predictors import CostPredictor, Predictor
from optuna_ofa.profiling import Latencies, LatencyReport
from optuna_ofa.visualization import plot_macs_latency, plot_predicted_latency
from optuna_ofa.visualization._latency import macs_info

SPACE = SearchSpace("ofa_mbv3_w1.0")
N = 40


class Biased(Predictor):
    """Latencies that are some percent too high, and one that is far too low."""

    metric = "latency_ms"

    def __init__(self, space: SearchSpace = SPACE) -> None:
        self.space = space

    def predict(self, matrix: Any) -> Any:
        predicted = 1.04 * truth(matrix, self.space)
        predicted[0] /= 2
        return predicted


def truth(matrix: Any, space: SearchSpace = SPACE) -> Any:
    return CostPredictor("moved_mb", space).predict(matrix)


def measured(latency: Any, space: SearchSpace = SPACE, seed: int = 0) -> Latencies:
    matrix = space.sample(len(latency), seed=seed)
    return Latencies(
        space=space,
        matrix=matrix,
        latency_ms=latency,
        min_ms=latency,
        std_ms=latency,
        wall_ms=latency,
        n_rounds=latency,
        anchor_ms=1.0,
        setup={"runtime": "r", "processor": "p", "clock": "cpu"},
    )


@pytest.fixture
def report() -> LatencyReport:
    matrix = SPACE.sample(N, seed=0)
    again = np.random.default_rng(0).normal(1, 0.02, N) * truth(matrix)
    return latency_report({"ours": Biased()}, measured(truth(matrix)), retest=measured(again))


def test_figures_of_every_predictor(report: LatencyReport) -> None:
    assert [row.name for row in report.rows] == ["ours", "MACs", "measured again"]
    assert report["ours"].mape == pytest.approx((4 * (N - 1) + 48) / N)
    assert report["ours"].within_5 == pytest.approx(100 * (N - 1) / N)
    assert 1 < report["measured again"].mape < 2.5
    text = str(report)
    assert "within 5 %" in text
    assert "measured again" in text


def test_multiply_adds_are_fitted_to_the_other_subnets(report: LatencyReport) -> None:
    macs = CostPredictor("n_macs", SPACE).predict(report.measurements.matrix)
    latency = report.measurements.latency_ms
    x = np.stack([macs, np.ones(N)], axis=1) / latency[:, None]
    for i in (0, 7):
        others = np.arange(N) != i
        weights = np.linalg.lstsq(x[others], np.ones(N - 1), rcond=None)[0]
        expected = weights @ [macs[i], 1]
        assert report.predicted_ms["MACs"][i] == pytest.approx(expected)


def test_subnets_that_failed_do_not_count() -> None:
    latency = truth(SPACE.sample(N, seed=0))
    latency[3] = np.nan
    assert latency_report(Biased(), measured(latency))["predicted"].n == N - 1


def test_other_subnets_are_no_retest() -> None:
    first = measured(truth(SPACE.sample(N, seed=0)))
    with pytest.raises(InvalidArgumentError, match="`retest` must have the same 40 subnets"):
        latency_report(Biased(), first, retest=measured(np.ones(N), seed=1))
    other = SearchSpace("ofa_mbv3_w1.2")
    with pytest.raises(FamilyMismatchError, match=r"`retest` must be of ofa_mbv3_w1\.0"):
        latency_report(Biased(), first, retest=measured(np.ones(N), other))


def test_a_predictor_of_another_family_is_refused() -> None:
    with pytest.raises(FamilyMismatchError):
        latency_report(Biased(SearchSpace("ofa_resnet50")), measured(np.ones(N)))


def test_two_subnets_are_too_few() -> None:
    with pytest.raises(InvalidArgumentError, match="three measured subnets or more, but has 2"):
        latency_report(Biased(), measured(np.ones(2)))


def test_predictions_are_drawn_with_a_band(report: LatencyReport) -> None:
    figure = plot_predicted_latency(report)
    assert [trace.name[:4] for trace in figure.data] == ["with", "pred", "ours"]
    np.testing.assert_array_equal(figure.data[2].x, report.measurements.latency_ms)
    np.testing.assert_array_equal(figure.data[1].x, figure.data[1].y)
    subnets = SPACE.from_matrix(report.measurements.matrix)
    words = [str(subnet).replace(" | ", "<br>") for subnet in subnets]
    assert list(figure.data[2].customdata) == words
    meta = figure.layout.meta
    assert meta["title"] == "ofa_mbv3_w1.0: predicted and measured latency"
    assert meta["notes"][-1] == "measured on p, r"
    assert [t.name[:4] for t in plot_predicted_latency(report, name="MACs").data][2] == "MACs"
    with pytest.raises(InvalidArgumentError, match="`name` must be one of ours, MACs, but got 'x'"):
        plot_predicted_latency(report, name="x")


def test_latency_is_drawn_over_multiply_adds(report: LatencyReport) -> None:
    info = macs_info(report)
    subnets = SPACE.from_matrix(report.measurements.matrix)
    kernels = [k for k in subnets[5].kernel if k]
    assert info.kernel[5] == pytest.approx(np.mean(kernels))
    (points,) = plot_macs_latency(report).data
    np.testing.assert_allclose(points.x, info.n_macs / 1e6)


def test_devices_are_drawn_over_one_another(report: LatencyReport) -> None:
    other = latency_report(Biased(), measured(truth(SPACE.sample(9, seed=1)), seed=1))
    figure = plot_macs_latency({"phone": report, "laptop": other})
    assert [len(trace.x) for trace in figure.data] == [N, 9]
    assert figure.data[0].name.startswith("phone: MAPE ")
    assert len({(t.marker.color, t.marker.symbol) for t in figure.data}) == 2
    assert figure.layout.meta["title"] == "ofa_mbv3_w1.0: latency by multiply-adds"
    assert list(figure.layout.meta["notes"][1:]) == ["phone: p, r", "laptop: p, r"]
    with pytest.raises(InvalidArgumentError, match="`report` must have at least one report"):
        plot_macs_latency({})


def test_kernels_that_cannot_vary_are_not_coloured() -> None:
    space = SearchSpace("ofa_resnet50")
    report = latency_report(Biased(space), measured(truth(space.sample(9, seed=0), space), space))
    assert np.isnan(macs_info(report).kernel).all()
    assert isinstance(plot_macs_latency(report).data[0].marker.color, str)


TURIN = {
    "runtime": "torch",
    "processor": "cpu family 26, model 2, model name AMD EPYC",
    "clock": "cpu",
    "versions": {"torch": "2.14.0"},
    "settings": {"threads": 1},
}


class OfAnotherDevice(Biased):
    """Latencies of another processor."""

    def __init__(self) -> None:
        super().__init__()
        self.metadata = {**TURIN, "processor": "cpu family 25, model 17, model name AMD EPYC"}


def report_of(predictor: Predictor, factor: float = 0.5, n: int = 12) -> LatencyReport:
    of = measured(factor * truth(SPACE.sample(n, seed=0)))
    return latency_report({"ours": predictor}, dataclasses.replace(of, setup=TURIN))


def test_a_report_says_that_predictions_are_of_another_processor() -> None:
    report = report_of(OfAnotherDevice())
    (note,) = report.notes
    assert note.startswith(
        "ours: predictor of another processor (AMD EPYC family 25 model 17, measured on AMD EPYC "
        "family 26 model 2): measured times are 0.48 of predicted, after correction MAPE"
    )
    assert str(report).splitlines()[0] == (
        "AMD EPYC family 26 model 2, torch 2.14.0, cpu clock; errors are measured minus predicted"
    )
    assert str(report).endswith("\n  ".join([note, *report.remedies]))
    assert report.remedies[-1].endswith(
        "`optuna-ofa profile --supernet ofa_mbv3_w1.0 --runtime torch --out here.json`"
    )
    assert report.to_dict()["notes"] == [note]


def test_a_report_of_the_same_device_has_no_notes() -> None:
    same = OfAnotherDevice()
    same.metadata = TURIN
    report = report_of(same)
    assert (report.notes, report.remedies) == ((), ())


def test_a_report_of_a_predictor_without_metadata_has_an_unknown_processor() -> None:
    (note,) = report_of(Biased()).notes
    assert "predictor of an unknown processor (measured on AMD EPYC family 26 model 2)" in note


def test_a_report_corrects_its_predictor() -> None:
    report = report_of(OfAnotherDevice())
    corrected = report.recalibrate()
    again = latency_report({"ours": corrected}, report.measurements)
    assert again.notes == ()
    others = again.predicted_ms["ours"][1:] / report.measurements.latency_ms[1:]
    assert others == pytest.approx(1.0, abs=0.02)  # the first one is far too low
    assert corrected.metadata["recalibrated"]["n_subnets"] == 12  # type: ignore[attr-defined]
    with pytest.raises(InvalidArgumentError, match="`name` must be one of ours, but got 'x'"):
        report.recalibrate("x")
