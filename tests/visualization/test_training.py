"""A training run by phase."""

from __future__ import annotations

import numpy as np
import pytest

from optuna_ofa import SearchSpace
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.training import LogEntry, TrainingHistory, followed_subnets
from optuna_ofa.visualization import plot_training
from optuna_ofa.visualization._training import training_info

SPACE = SearchSpace("ofa_mbv3_w1.0")
ENTRIES = (
    LogEntry(10, "kernel", 2.0),
    LogEntry(20, "kernel", 1.5, (10.0, 50.0, 20.0, 40.0)),
    LogEntry(25, "depth", 1.4, (30.0, 51.0, 35.0, 45.0)),
    LogEntry(100, "kernel", 1.0, (44.0, 52.0, 46.0, 50.0)),
)


def history(n_random: int = 2, entries: tuple[LogEntry, ...] = ENTRIES) -> TrainingHistory:
    return TrainingHistory(followed_subnets(SPACE, n_random, 0), entries)


def test_lines_without_accuracies_have_a_loss_only() -> None:
    info = training_info(history())
    assert info.steps.tolist() == [10, 20, 25, 100]
    assert info.loss.tolist() == [2.0, 1.5, 1.4, 1.0]
    assert info.evaluated.tolist() == [20, 25, 100]
    assert list(info.top1) == ["smallest", "largest", "random 1", "random 2"]
    assert info.top1["random 2"].tolist() == [40.0, 45.0, 50.0]


def test_a_phase_that_comes_twice_is_two() -> None:
    assert training_info(history()).phases == {"kernel": 20, "depth": 25, "kernel (2)": 100}


def test_random_subnets_are_a_mean_and_a_range() -> None:
    area, largest, smallest, mean, loss = plot_training(history()).data
    assert list(area.y) == [40.0, 45.0, 50.0, 46.0, 35.0, 20.0]
    assert (largest.name, smallest.name) == ("largest", "smallest")
    assert list(smallest.y) == [10.0, 30.0, 44.0]
    np.testing.assert_allclose(mean.y, [30.0, 40.0, 48.0])
    assert list(loss.x) == [10, 20, 25, 100]
    assert loss.yaxis == "y2"


def test_phases_are_named_and_apart() -> None:
    layout = plot_training(history()).layout
    assert [a.text for a in layout.annotations] == ["kernel", "depth", "kernel (2)"]
    assert {shape.x0 for shape in layout.shapes} == {20, 25}  # the end of the last is the edge


def test_without_random_subnets() -> None:
    entries = tuple(LogEntry(e.step, e.phase, e.loss, e.top1[:2]) for e in ENTRIES)
    names = [trace.name for trace in plot_training(history(0, entries)).data]
    assert names == ["largest", "smallest", "loss"]


def test_a_run_that_evaluated_nothing_has_a_loss() -> None:
    (loss,) = plot_training(history(entries=ENTRIES[:1])).data
    assert loss.name == "loss"


def test_an_empty_history_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="`history` must have at least one entry"):
        plot_training(history(entries=()))


def test_the_title_names_the_family() -> None:
    assert plot_training(history()).layout.meta["title"] == "Training of ofa_mbv3_w1.0"
