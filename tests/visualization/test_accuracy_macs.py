"""Accuracy over multiply-adds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import optuna
import plotly.graph_objects as go
import pytest

import optuna_ofa
from optuna_ofa import SubnetStudy
from optuna_ofa.costs import layer_macs
from optuna_ofa.exceptions import EmptyFrontError, InvalidArgumentError
from optuna_ofa.space import subnet_layers
from optuna_ofa.visualization import plot_accuracy_macs
from optuna_ofa.visualization._accuracy_macs import accuracy_macs_info


@pytest.fixture(scope="module")
def study() -> Iterator[SubnetStudy]:
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna_ofa.study(
        "ofa_mbv3_w1.0", constraints={"latency_ms": 20.0}, seed=0, study_name="one"
    )
    study.search(200)
    yield study
    optuna.logging.set_verbosity(verbosity)


def fronts_of(figure: go.Figure) -> list[go.Scatter]:
    """Traces of fronts, below which marks of extrapolated points may be."""
    return [trace for trace in figure.data if trace.name.startswith("front of ")]


def test_points_are_those_of_the_front(study: SubnetStudy) -> None:
    (info,) = accuracy_macs_info(study).values()
    front = study.front()
    assert info.top1.tolist() == [p.values["top1"] for p in front]
    assert info.n_macs.tolist() == [sum(map(layer_macs, subnet_layers(p.subnet))) for p in front]
    assert len(info.others) == study.results().feasible.sum() - len(front)


def test_the_best_for_multiply_adds_are_marked(study: SubnetStudy) -> None:
    (info,) = accuracy_macs_info(study).values()
    everything = np.concatenate([np.stack([info.n_macs, info.top1], axis=1), info.others])
    expected = [
        not (
            (everything[:, 0] <= macs)
            & (everything[:, 1] >= top1)
            & ((everything[:, 0] < macs) | (everything[:, 1] > top1))
        ).any()
        for macs, top1 in zip(info.n_macs, info.top1, strict=True)
    ]
    assert info.on_macs_front.tolist() == expected
    assert not all(expected)
    (front,) = fronts_of(plot_accuracy_macs(study))
    open_symbols = [symbol.endswith("-open") for symbol in front.marker.symbol]
    assert open_symbols == [not e for e in expected]


def test_several_studies_have_their_fronts_alone(study: SubnetStudy) -> None:
    figure = plot_accuracy_macs({"a": study, "b": study})
    assert "other subnets" not in [trace.name for trace in figure.data]
    a, b = fronts_of(figure)
    assert [trace.name.split(" (")[0] for trace in (a, b)] == ["front of a", "front of b"]
    assert a.marker.color != b.marker.color
    assert b.hovertext[0].startswith("b<br>top1 ")


def test_accuracy_must_be_an_objective() -> None:
    study = optuna_ofa.study("ofa_mbv3_w1.0", objectives=("latency_ms", "n_params"), seed=0)
    study.search(5)
    with pytest.raises(InvalidArgumentError, match="must have the objective top1, but have lat"):
        plot_accuracy_macs(study)


def test_a_study_without_trials_is_refused() -> None:
    with pytest.raises(EmptyFrontError, match="has no feasible trial"):
        plot_accuracy_macs(optuna_ofa.study("ofa_mbv3_w1.0"))
