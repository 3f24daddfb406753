"""Values of a subnet for the file beside an export."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import optuna_ofa
from optuna_ofa import SearchSpace
from optuna_ofa.deployment import KnownValue, figures_of
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.fronts import FrontPoint

SUBNET = SearchSpace("ofa_mbv3_fashion").smallest()
MEASURED_WITH = {
    "top1": {"data": {"images": "ab", "n_images": 500}, "runtime": "torch", "precision": "float32"},
    "latency_ms": {
        "runtime": "onnxruntime",
        "processor": "a processor",
        "settings": {"precision": "int8", "device": "cpu", "batch": 1},
    },
}


def point(**changes: Any) -> FrontPoint:
    values = {"top1": 80.0, "latency_ms": 2.5}
    return FrontPoint(SUBNET, values, {"latency_ms": 0.1}, "measured", 3, **changes)


def test_figures_of_a_point_name_the_device_of_its_latency() -> None:
    assert figures_of(point(), device="phone", runtime="onnxruntime") == (
        KnownValue("top1", 80.0, "measured", resolution=20, subnet=SUBNET),
        KnownValue(
            "latency_ms",
            2.5,
            "measured",
            device="phone",
            std=0.1,
            runtime="onnxruntime",
            resolution=20,
            subnet=SUBNET,
        ),
    )


def test_a_point_knows_what_it_was_measured_with() -> None:
    top1, latency = figures_of(point(origin=MEASURED_WITH))
    assert (top1.precision, top1.runtime, top1.device) == ("float32", "torch", None)
    assert (latency.precision, latency.runtime, latency.batch) == ("int8", "onnxruntime", 1)
    assert latency.device == "a processor"
    assert latency.std == 0.1


def test_a_point_knows_its_images_and_what_is_extrapolated() -> None:
    top1, latency = figures_of(point(n_images={"top1": 500}))
    assert (top1.n_images, top1.extrapolated, latency.n_images) == (500, None, None)
    known = replace(point(extrapolated=("top1",)), kind="predicted")
    assert [of.extrapolated for of in figures_of(known)] == [True, False]
    unknown = replace(known, extrapolated=None)
    assert [of.extrapolated for of in figures_of(unknown)] == [None, None]


def test_memories_of_a_microcontroller_are_those_of_its_file() -> None:
    values = {"sram_kb": 71.9, "flash_kb": 200.0}
    known = FrontPoint(SUBNET, values, {}, "predicted", 3)
    for figure in figures_of(known, device="phone", runtime="litert", precision="float32"):
        assert (figure.precision, figure.runtime) == ("int8", "tflite-micro")
        micro = {"precision": "int8", "runtimes": ("litert", "tflite-micro")}
        assert figure.differences({**micro, "resolution": 20, "batch": 1}) == []
        assert figure.differences({**FILE, "resolution": 20}) == ["precision", "runtime"]


def test_measured_values_of_constraints_are_figures() -> None:
    space = SearchSpace("ofa_mbv3_fashion").restrict(resolution=20, kernel=3, depth=2)
    board = {"sram_kb": 256.0, "flash_kb": 1024.0}
    study = optuna_ofa.study(space, objectives=["top1", "n_macs"], constraints=board, seed=0)
    study.search(5, progress=False)
    assert all(not of.limited for of in study.front(kind="predicted"))
    study.verify({"top1": lambda _: 80.0, "sram_kb": lambda _: 123.25}, points=1, progress=False)
    (found,) = study.front(kind="measured")
    assert found.limited == {"sram_kb": 123.25}  # the other one is only predicted
    *_, sram = figures_of(found)
    assert (sram.metric, sram.value, sram.kind) == ("sram_kb", 123.25, "measured")
    assert (sram.precision, sram.runtime, sram.unit) == ("int8", "tflite-micro", "kB")


FILE = {"precision": "float32", "runtimes": ("onnxruntime",), "resolution": 28, "batch": 1}


@pytest.mark.parametrize(
    ("metric", "conditions", "differs"),
    [
        ("top1", {}, []),
        ("top1", {"precision": "int8"}, ["precision"]),
        ("top1", {"resolution": 24}, ["resolution"]),
        ("top1", {"runtime": "torch"}, []),  # runtimes agree to the last digit of a logit
        ("latency_ms", {"runtime": "onnxruntime", "batch": 1}, []),
        ("latency_ms", {"runtime": "torch"}, ["runtime"]),
        ("latency_ms", {"batch": 8, "resolution": 24}, ["resolution", "batch"]),
        ("n_params", {"precision": "int8", "resolution": 24}, []),
    ],
    ids=str,
)
def test_a_value_is_of_a_file_or_differs_in_something(
    metric: str, conditions: dict[str, Any], differs: list[str]
) -> None:
    assert KnownValue(metric, 1.0, "measured", **conditions).differences(FILE) == differs


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(("top2", 1.0, "measured"), "`metric` must be one of top1", id="metric"),
        pytest.param(("top1", 1.0, "guessed"), "`kind` must be one of predicted", id="kind"),
        pytest.param(("top1", float("nan"), "measured"), "`value` must be finite", id="nan"),
    ],
)
def test_what_is_no_figure_is_refused(arguments: Any, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        KnownValue(*arguments)
