"""Metrics, built in and of the user's own."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from optuna_ofa import Metric
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.problem import METRICS, Orientation, preferred

ENERGY = Metric("energy_mj", unit="mJ", direction="minimize")
THROUGHPUT = Metric("throughput", unit="images/s", direction="maximize")
LAYERS = Metric("n_layers", direction="minimize")


@pytest.mark.parametrize(
    ("name", "unit", "title"),
    [
        ("energy_mj", "mJ", "Energy"),
        ("throughput", "images/s", "Throughput"),
        ("n_layers", "", "Number of layers"),
        ("calibration_error", "%", "Calibration error"),
        ("mJ", "mJ", "MJ"),
        ("_x", "", "X"),
    ],
)
def test_a_title_is_made_of_the_name(name: str, unit: str, title: str) -> None:
    assert Metric(name, unit=unit, direction="minimize").title == title


def test_a_title_may_be_given() -> None:
    assert Metric("e", unit="mJ", direction="minimize", title="Energy").axis == "Energy (mJ)"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"name": "top1"}, "`name` must not be one of the built-in metrics top1, .* got 'top1'"),
        ({"name": "n_macs", "predictor": len}, "`name` must not be one of the built-in metrics"),
        ({"name": ""}, "`name` must be an identifier .* got ''"),
        ({"name": "energy mJ"}, "`name` must be an identifier .* got 'energy mJ'"),
        ({"name": "lambda"}, "`name` must be an identifier .* got 'lambda'"),
        ({"name": "3d"}, "`name` must be an identifier"),
        ({"name": None}, "`name` must be an identifier .* got None"),
        ({"name": "kind"}, "`name` must not be one of subnet, .* got 'kind'"),
        ({"name": "energy_mj_std"}, "`name` must not .* end in _std .* got 'energy_mj_std'"),
        ({"name": "__class__"}, "`name` must not .* begin with __, but got '__class__'"),
        ({"direction": "up"}, "`direction` must be one of 'maximize', 'minimize', but got 'up'"),
        ({"unit": 3}, "`unit` must be a string, but got 3"),
        ({"predictor": "a.json"}, "`predictor` must be a Predictor or a function or None"),
        ({"predictor": int}, "`predictor` must be a Predictor or a function or None, but got"),
    ],
    ids=str,
)
def test_wrong_ones_are_refused(arguments: dict[str, Any], expected: str) -> None:
    given = {"name": "energy_mj", "unit": "mJ", "direction": "minimize", **arguments}
    with pytest.raises(InvalidArgumentError, match=expected):
        Metric(**given)


def test_a_predictor_makes_no_other_metric() -> None:
    predicted = Metric("energy_mj", unit="mJ", direction="minimize", predictor=len)
    assert predicted == ENERGY
    assert predicted.described().predictor is None
    assert pickle.loads(pickle.dumps(predicted)).predictor is len


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        (ENERGY, 4.2, "4.2 mJ"),
        (ENERGY, 1234567.0, "1,234,567 mJ"),
        (ENERGY, 0.0000125, "0.0000125 mJ"),
        (ENERGY, -3.0, "-3 mJ"),
        (LAYERS, 12.0, "12"),
        (LAYERS, 0.25, "0.25"),
        (METRICS["n_macs"], 3410792.4, "3,410,792"),
        (METRICS["latency_ms"], 12.5, "12.5 ms"),
    ],
    ids=str,
)
def test_amounts_have_units_and_no_exponents(metric: Metric, value: float, text: str) -> None:
    assert metric.amount(value) == text


@pytest.mark.parametrize(
    ("metric", "values", "texts"),
    [
        (LAYERS, [6.0, 12.0], ["6", "12"]),
        (LAYERS, [0.25, 0.5], ["0.2500", "0.5000"]),
        (LAYERS, [3410792.0, 120000.0], ["3.411 M", "0.120 M"]),
        (ENERGY, [-1.25, 10.5], ["-1.25", "10.50"]),
        (METRICS["n_macs"], [1500.5, 1200.0], ["1.500 k", "1.200 k"]),
    ],
    ids=str,
)
def test_only_whole_numbers_without_a_unit_are_counts(
    metric: Metric, values: list[float], texts: list[str]
) -> None:
    assert metric.column(values) == texts


def test_the_order_of_metrics_does_not_depend_on_how_they_are_named() -> None:
    every = {m.name: m for m in (LAYERS, ENERGY, THROUGHPUT, *METRICS.values())}
    expected = ["top1", "throughput", *list(METRICS)[1:], "energy_mj", "n_layers"]
    assert preferred(every) == expected
    assert preferred(dict(reversed(every.items()))) == expected
    orientation = Orientation.of_metrics({m.name: m for m in (ENERGY, THROUGHPUT)})
    assert orientation.costs([[2.0, 50.0]]).tolist() == [[-50.0, 2.0]]  # type: ignore[arg-type]
