"""Accuracy, latency and peak activation memory together, from the search to the picture."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from optuna_ofa import SubnetStudy
from optuna_ofa.costs import layer_peak_bytes
from optuna_ofa.exceptions import EmptyFrontError, InfeasibleConstraintError
from optuna_ofa.fronts import nondominated
from optuna_ofa.space import subnet_layers
from optuna_ofa.visualization._front_info import front_info

OBJECTIVES = ("top1", "latency_ms", "peak_memory_mb")


@pytest.fixture
def study(make_study: Callable[..., SubnetStudy]) -> SubnetStudy:
    study = make_study(objectives=OBJECTIVES)
    study.search(300)
    return study


def test_the_third_is_the_largest_layer_of_the_graph(study: SubnetStudy) -> None:
    for point in study.front():
        peak = max(map(layer_peak_bytes, subnet_layers(point.subnet)))
        assert point.values["peak_memory_mb"] == pytest.approx(peak / 1e6)


def test_the_front_is_of_all_three(study: SubnetStudy) -> None:
    front, results = study.front(), study.results()
    best = results.values[nondominated(results.values * study.problem.signs)]
    found = np.array([[p.values[m] for m in OBJECTIVES] for p in front])
    assert {*map(tuple, found.tolist())} == {*map(tuple, best.tolist())}
    in_two = results.values[nondominated((results.values * study.problem.signs)[:, :2])]
    assert len(found) > len(in_two)  # memory keeps some that are slower and less accurate
    assert len(study.front()) == len({p.subnet for p in front})
    assert study.directions[2].name == "MINIMIZE"


def test_the_search_finds_better_ones_with_little_memory_than_chance(study: SubnetStudy) -> None:
    chance = study.problem.evaluate(study.space.sample(300, seed=1)).values
    least = min(p.values["peak_memory_mb"] for p in study.front())
    own = max(p.values["top1"] for p in study.front() if p.values["peak_memory_mb"] == least)
    assert own > chance[chance[:, 2] <= least, 0].max()


def test_picking_by_memory(study: SubnetStudy) -> None:
    front = study.front()
    memory = sorted(p.values["peak_memory_mb"] for p in front)
    limit = memory[len(memory) // 2]
    picked = front.best(peak_memory_mb=limit)
    inside = [p for p in front if p.values["peak_memory_mb"] <= limit]
    assert picked.values["top1"] == max(p.values["top1"] for p in inside)
    both = front.best(peak_memory_mb=limit, latency_ms=picked.values["latency_ms"] - 1)
    assert both.values["latency_ms"] < picked.values["latency_ms"]
    assert front.knee() in list(front)
    modes = front.modes({"full": 60.0, "low": 20.0})
    assert modes["full"].values["top1"] >= modes["low"].values["top1"]


def test_nothing_within_a_limit_names_the_nearest(study: SubnetStudy) -> None:
    least = min(p.values["peak_memory_mb"] for p in study.front())
    expected = rf"the nearest has .*peak_memory_mb {least:.4g} MB"
    with pytest.raises(EmptyFrontError, match=expected):
        study.front().best(peak_memory_mb=least / 2)


def test_as_a_constraint(make_study: Callable[..., SubnetStudy]) -> None:
    free = make_study(objectives=OBJECTIVES)
    ends = free.space.to_matrix([free.space.smallest(), free.space.largest()])
    low, high = free.problem.predictors["peak_memory_mb"].predict(ends)
    study = make_study(constraints={"peak_memory_mb": (low + high) / 2})
    study.search(100)
    for point in study.front():
        peak = max(map(layer_peak_bytes, subnet_layers(point.subnet)))
        assert peak / 1e6 <= (low + high) / 2
    with pytest.raises(InfeasibleConstraintError, match=r"peak_memory_mb <= .* is not"):
        make_study(constraints={"peak_memory_mb": low / 2}).search(10)


def test_it_is_kept_and_read_again(make_study: Callable[..., SubnetStudy], sqlite: str) -> None:
    first = make_study(objectives=OBJECTIVES, storage=sqlite, study_name="a")
    first.search(100)
    second = make_study(objectives=OBJECTIVES, storage=sqlite, study_name="a", load_if_exists=True)
    assert list(second.front()) == list(first.front())


def test_it_is_verified_without_measuring_memory(study: SubnetStudy) -> None:
    found = study.verify({"top1": lambda _: 70.0, "latency_ms": lambda _: 9.0}, points=4)
    assert found.metrics == ("top1", "latency_ms")
    for point in found.front:
        peak = max(map(layer_peak_bytes, subnet_layers(point.subnet)))
        assert point.values["peak_memory_mb"] == pytest.approx(peak / 1e6)
    measured = study.verify(
        {"top1": lambda _: 70.0, "latency_ms": lambda _: 9.0, "peak_memory_mb": lambda _: 3.0},
        points=study.space.from_matrix(study.space.sample(1, seed=0)),
    )
    assert measured.metrics == OBJECTIVES
    assert measured.points[0].measured["peak_memory_mb"] == 3.0


def test_the_third_objective_is_the_colour(study: SubnetStudy) -> None:
    info = front_info(study)
    assert info.hypervolume > 0
    assert tuple(info.reference) == OBJECTIVES
    figure = study.plot_front()
    (front,) = [trace for trace in figure.data if trace.name and "front" in trace.name]
    peaks = sorted(point.peak_memory_mb for point in study.front())
    assert sorted(front.marker.color) == pytest.approx(peaks)
    title = figure.layout.coloraxis.colorbar.title.text
    assert title.startswith("Peak activation memory (MB)")
