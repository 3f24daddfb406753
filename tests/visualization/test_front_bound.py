"""The line of a proven bound in a plot of a front."""

from __future__ import annotations

import numpy as np
import pytest

import optuna_ofa
from optuna_ofa import SearchSpace, SubnetStudy
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.visualization import plot_front
from optuna_ofa.visualization._front_bound import bound_info
from optuna_ofa.visualization._front_info import front_info

SPACE = SearchSpace("ofa_mbv3_w1.0").restrict(resolution=[160, 192, 224], kernel=3, expand=6)
LINE = "no prediction is beyond this line (proven)"


@pytest.fixture(scope="module")
def searched() -> SubnetStudy:
    study = optuna_ofa.study(SPACE, accuracy="linear", seed=0)
    study.search(100, progress=False)
    return study


def test_the_line_is_the_bound_as_far_as_the_front_reaches(searched: SubnetStudy) -> None:
    bound, info = searched.bound(), front_info(searched)
    line = bound_info(bound, [info])
    assert line.across[0] == bound.costs[0]
    assert line.across[-1] == max(p.latency_ms for p in info.front)
    assert np.array_equal(line.up, bound.at(line.across))
    assert line.shape == "hv"


def test_a_long_line_is_thinned_to_one_that_no_value_is_above(
    searched: SubnetStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("optuna_ofa.visualization._front_bound._MOST", 7)
    bound = searched.bound()
    line = bound_info(bound, [front_info(searched)])
    assert len(line.across) == 8
    costs = np.linspace(line.across[0], line.across[-1], 1000)
    places = np.searchsorted(line.across, costs, side="right") - 1
    assert (line.up[places] >= bound.at(costs)).all()


def test_a_plot_has_the_line_if_a_bound_is_given(searched: SubnetStudy) -> None:
    names = [trace.name for trace in searched.plot_front(bound=searched.bound()).data]
    assert LINE in names
    assert LINE not in [trace.name for trace in plot_front(searched).data]


def test_the_bound_must_have_the_axes_of_the_plot(searched: SubnetStudy) -> None:
    other = optuna_ofa.study(SPACE, accuracy="linear", objectives=["top1", "n_macs"])
    with pytest.raises(InvalidArgumentError, match="`bound` must be one of top1, latency_ms"):
        searched.plot_front(bound=other.bound())
