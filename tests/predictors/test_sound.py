"""Predictors in files whose numbers are all finite, but whose predictions are impossible."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from optuna_ofa.exceptions import FormatError, ImplausibleValueWarning
from optuna_ofa.predictors import AccuracyPredictor, NetworkLatencyPredictor
from optuna_ofa.space import SearchSpace

SPACE = SearchSpace("ofa_mbv3_fashion")
MATRIX = SPACE.sample(60, seed=0)
State = dict[str, torch.Tensor]


def network() -> State:
    """A small network in the encoding with 128 inputs, of accuracies from 70 to 80 %."""
    rng = torch.Generator().manual_seed(0)
    first = torch.rand(8, 128, generator=rng) / 128
    last = {"2.weight": torch.full((1, 8), 0.02), "2.bias": torch.tensor([0.7])}
    return {"0.weight": first, "0.bias": torch.full((8,), 0.1), **last}


def write(folder: Path, state: State) -> Path:
    torch.save(state, folder / "a.pth")
    return folder / "a.pth"


def test_a_network_is_read(tmp_path: Path) -> None:
    predictor = AccuracyPredictor.load(write(tmp_path, network()))
    predicted = predictor.predict(predictor.space.sample(9, seed=1))
    assert 70 < predicted.min() < predicted.max() < 80


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"2.bias": torch.tensor([torch.inf])}, "has inf at `2.bias`"),
        ({"2.bias": torch.tensor([torch.nan])}, "has nan at `2.bias`"),
        ({"2.bias": torch.tensor([-1e4])}, r"predicts -9999\d\d for ofa_mbv3_w1.2@\d+ .*\(102 of"),
        ({"2.bias": torch.tensor([70.0])}, r"predicts 7\d\d\d\.?\d* for .*\(102 of 102 subnets\)"),
        ({"2.bias": torch.tensor([-0.1])}, "predicts -.* to -.* for all 102 subnets"),
        ({"0.weight": torch.full((8, 128), 1e9)}, r"predicts \S+e\+\d+ for"),
        ({"0.weight": torch.full((8, 128), -1e9)}, "predicts 70 to 70 for all"),
        ({"2.weight": torch.zeros(1, 8)}, "predicts 70 to 70 for all 102 subnets"),
        ({"2.bias": torch.tensor([1])}, "must hold linear layers .*"),
        ({"0.weight": torch.zeros(1).expand(8, 128)}, "the same numbers several"),
        ({"base_acc": torch.zeros(3)}, "must be one number, but has 3"),
        ({"base_acc": torch.tensor([100.0])}, r"predicts 1\d+\.?\d* for"),
    ],
    ids=[
        *("inf", "nan", "negative", "percent", "below", "huge", "dead", "constant"),
        *("integers", "expanded", "shape", "base"),
    ],
)
def test_impossible_accuracies_are_refused(changes: State, match: str, tmp_path: Path) -> None:
    path = write(tmp_path, network() | changes)
    with pytest.raises(FormatError, match=rf"a\.pth.*{match}|{match}.*a\.pth"):
        AccuracyPredictor.load(path)


def test_fractions_of_fractions_are_warned_of(tmp_path: Path) -> None:
    state = network() | {"2.bias": torch.tensor([0.005]), "2.weight": torch.full((1, 8), 1e-4)}
    with pytest.warns(ImplausibleValueWarning, match=r"a\.pth is probably a fraction"):
        AccuracyPredictor.load(write(tmp_path, state))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_other_floats_are_read(dtype: torch.dtype, tmp_path: Path) -> None:
    state = {name: tensor.to(dtype) for name, tensor in network().items()}
    predictor = AccuracyPredictor.load(write(tmp_path, state))
    assert np.isfinite(predictor.predict(predictor.space.sample(5, seed=0))).all()


def fitted(kind: str) -> AccuracyPredictor | NetworkLatencyPredictor:
    if kind == "latency":
        return NetworkLatencyPredictor.fit(SPACE, MATRIX, MATRIX.sum(axis=1) / 40.0)
    top1 = 60 + 0.02 * MATRIX.sum(axis=1)
    model: Any = kind
    return AccuracyPredictor.fit(SPACE, MATRIX, top1, model=model)


def changed(data: dict[str, Any], place: tuple[Any, ...], change: Callable[[Any], Any]) -> None:
    *before, last = place
    for key in before:
        data = data[key]
    data[last] = change(data[last])


@pytest.mark.parametrize(
    ("kind", "place", "change"),
    [
        ("ridge", ("model", "weights", 3), lambda x: 1e30),
        ("ridge", ("model", "weights", 3), lambda x: True),
        ("ridge", ("model", "weights", 3), lambda x: str(x)),
        ("ridge", ("model", "mean", 3), lambda x: x + 5),
        ("ridge", ("model", "root"), lambda x: {**x, "shape": [3]}),
        ("ridge", ("model", "top1"), lambda x: -x),
        ("ridge", ("model", "top1"), lambda x: "75"),
        ("ridge", ("model", "noise"), lambda x: -1),
        ("ridge", ("model", "noise", 0), lambda x: -1),
        ("gaussian_process", ("model", "scale"), lambda x: x * 1e6),
        ("gaussian_process", ("model", "level"), lambda x: x * 1000),
        ("gaussian_process", ("model", "logs", 5), lambda x: 8),
        ("gaussian_process", ("model", "logs", 5), lambda x: True),
        ("latency", ("model", "weights"), lambda x: [0.0] * len(x)),
        ("latency", ("model", "weights"), lambda x: [-w for w in x]),
        ("latency", ("model", "weights", 0), lambda x: 1e6),
        ("latency", ("model", "noise"), lambda x: 1e9),
        ("latency", ("model", "covariance", 1, 2), lambda x: x + 1e3),
        ("latency", ("model", "penalty"), lambda x: "0"),
        ("latency", ("heldout_mape", "physical"), lambda x: -1),
        ("latency", ("heldout_mape", "physical"), lambda x: "3"),
        ("latency", ("heldout_mape",), lambda x: [3]),
    ],
)
def test_impossible_numbers_are_refused(
    kind: str, place: tuple[Any, ...], change: Callable[[Any], Any], tmp_path: Path
) -> None:
    predictor, path = fitted(kind), tmp_path / "a.json"
    predictor.save(path)
    type(predictor).load(path)
    data = json.loads(path.read_text())
    changed(data, place, change)
    path.write_text(json.dumps(data))
    with pytest.raises(FormatError, match=r"a\.json|`\w+` must"):
        type(predictor).load(path)


def test_what_cannot_be_read_is_not_saved(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    wild = NetworkLatencyPredictor.fit(
        SPACE, MATRIX[:12], rng.lognormal(0, 3, 12), features="physical", penalty=1e-6
    )
    with pytest.raises(FormatError, match="The predictor must predict latency_ms, but predicts -"):
        wild.save(tmp_path / "a.json")
    assert not (tmp_path / "a.json").exists()


def test_published_predictors_are_read_without_a_warning(shared_data: Path) -> None:
    for name in ("ofa_mbv3_w1.2_acc_predictor.pth", "ofa_resnet50_acc_predictor.pth"):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            AccuracyPredictor.load(shared_data / name)
