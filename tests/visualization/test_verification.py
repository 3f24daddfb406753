"""The picture of a verification: what it shows, and how."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optuna_ofa
from optuna_ofa import SearchSpace, SubnetStudy
from optuna_ofa.data import packaged_table
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.fronts import Front
from optuna_ofa.verification import Verification
from optuna_ofa.visualization import plot_verification
from optuna_ofa.visualization._verification import verification_info

SPACE = SearchSpace("ofa_mbv3_w1.0", resolution=224)


pytestmark = pytest.mark.usefixtures("quiet_optuna")


def make_study(**arguments: Any) -> SubnetStudy:
    path = packaged_table("cpu-torch", SPACE.family)
    study = optuna_ofa.study(SPACE, hardware=path, seed=0, **arguments)
    study.search(60)
    return study


@pytest.fixture(scope="module")
def verified() -> Verification:
    study = make_study()
    front = study.front()
    slow, worse = front[1].subnet, front[-1].subnet
    predicted = {p.subnet: p.values for p in front}

    def top1(subnet: object) -> tuple[float, float]:
        return predicted[subnet]["top1"] - (2.0 if subnet == worse else 0.0), 0.3

    def latency_ms(subnet: object) -> float:
        return predicted[subnet]["latency_ms"] * (1.5 if subnet == slow else 1.0)

    return study.verify({"top1": top1, "latency_ms": latency_ms})


def test_info_is_what_was_predicted_and_measured(verified: Verification) -> None:
    info = verification_info(verified)
    assert (info.across, info.up) == ("latency_ms", "top1")
    assert set(info.sources) == {("measured", "measured")}
    for i, point in enumerate(verified):
        assert info.predicted[i].tolist() == [point.predicted[m] for m in ("latency_ms", "top1")]
        assert info.measured[i].tolist() == [point.measured[m] for m in ("latency_ms", "top1")]
        assert info.overestimated[i] == (point in verified.overestimated)
    assert info.overestimated.sum() == 2
    assert np.isnan(info.std[:, 0]).all()
    assert set(info.std[:, 1]) == {0.3}
    assert len(info.front) == len(verified.front) < len(verified)
    assert (np.diff(info.front, axis=0) > 0).all()


def test_each_subnet_has_a_line_from_predicted_to_measured(verified: Verification) -> None:
    info = verification_info(verified)
    lines, *_ = plot_verification(verified).data
    x, y = np.array(lines.x).reshape(-1, 3), np.array(lines.y).reshape(-1, 3)
    np.testing.assert_array_equal(np.stack([x[:, 0], y[:, 0]], axis=1), info.predicted)
    np.testing.assert_array_equal(np.stack([x[:, 1], y[:, 1]], axis=1), info.measured)
    assert np.isnan(x[:, 2]).all()


def test_overestimated_ones_have_another_symbol(verified: Verification) -> None:
    info = verification_info(verified)
    *_, good, bad = plot_verification(verified).data
    assert good.marker.symbol != bad.marker.symbol
    assert len(bad.x) == 2
    np.testing.assert_array_equal(np.array(bad.y), info.measured[info.overestimated, 1])
    assert set(good.error_y.array) == {0.3}
    assert good.error_x.array is None


def test_words_are_of_the_subnet(verified: Verification) -> None:
    figure = plot_verification(verified)
    _, _, predicted, *_ = figure.data
    assert len(predicted.hovertext) == len(verified)
    first = verified.points[0]
    assert predicted.hovertext[0].startswith(f"top1 {first.predicted['top1']:.2f} ± ")
    assert str(first.subnet).split(" | ")[1] in predicted.hovertext[0]
    assert "2 worse than the 90 % interval; MAPE top1 " in figure.layout.title.text
    assert figure.layout.xaxis.title.text == "Latency (ms)"


def test_what_is_not_measured_is_said_to_be_predicted() -> None:
    study = make_study()
    found = study.verify({"latency_ms": lambda _: 9.0}, points=3)
    info = verification_info(found)
    assert set(info.sources) == {("measured", "predicted")}
    assert all("top1" in words and "not measured" in words for words in info.words)
    np.testing.assert_array_equal(info.measured[:, 1], info.predicted[:, 1])
    figure = plot_verification(found)
    assert figure.layout.yaxis.title.text == "Top-1 accuracy (%), predicted"
    assert figure.layout.xaxis.title.text == "Latency (ms)"
    assert figure.data[-1].name.startswith("latency measured, top-1 accuracy predicted")
    assert "measured" not in {trace.name for trace in figure.data}


def test_of_three_objectives_two_are_chosen() -> None:
    study = make_study(objectives=("top1", "latency_ms", "peak_memory_mb"))
    found = study.verify({"top1": lambda _: 60.0, "latency_ms": lambda _: 9.0}, points=3)
    with pytest.raises(InvalidArgumentError, match="`metrics` must be two of the objectives"):
        plot_verification(found)
    info = verification_info(found, metrics=("top1", "peak_memory_mb"))
    assert (info.across, info.up) == ("peak_memory_mb", "top1")
    np.testing.assert_array_equal(info.predicted[:, 0], info.measured[:, 0])
    assert {x for x, _ in info.sources} == {"exact"}
    figure = plot_verification(found, metrics=("top1", "peak_memory_mb"))
    assert figure.layout.xaxis.title.text == "Peak activation memory (MB), exact"


def test_the_title_has_three_lines_with_the_date(verified: Verification) -> None:
    assert verified.finished is not None
    lines = plot_verification(verified).layout.title.text.split("<br>")
    assert len(lines) == 3
    n = len(verified)
    assert lines[0] == f"ofa_mbv3_w1.0: {n} subnets, predicted and measured"
    assert lines[2] == f"<sup>{verified.finished:%-d %B %Y}</sup>"


def test_notebooks_show_a_table(verified: Verification) -> None:
    html = verified._repr_html_()
    assert f"{len(verified)} subnets measured; predicted -&gt; measured" in html
    assert html.count("<tr>") == 1 + len(verified)
    assert html.count("overestimated") == 2
    assert all(str(point.subnet) in html for point in verified)


def test_no_points_are_refused() -> None:
    empty = Verification(("top1",), (), Front([], ("top1", "latency_ms")))
    with pytest.raises(InvalidArgumentError, match="`verification` must have points"):
        plot_verification(empty)
