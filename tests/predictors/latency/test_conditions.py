"""The conditions of latencies, and in what two of them differ."""

from __future__ import annotations

from typing import Any

import pytest

from optuna_ofa.predictors import Conditions, differences

GENOA = "cpu family 25, model 17, model name AMD EPYC"
TURIN = "cpu family 26, model 2, model name AMD EPYC"
I7 = "cpu family 6, model 158, model name Intel(R) Core(TM) i7-8700K CPU @ 3.70GHz"


def facts(processor: str | None = GENOA, version: str = "2.13.0", **others: Any) -> dict[str, Any]:
    settings = {"threads": 1, "batch": 1, "precision": "float32", "device": "cpu", "pin": []}
    return {
        "processor": processor,
        "runtime": "torch",
        "versions": {"torch": version},
        "settings": {**settings, **others},
    }


def words(predicted: dict[str, Any], *measured: dict[str, Any]) -> list[str]:
    return list(differences(Conditions.of(predicted), map(Conditions.of, measured)))


@pytest.mark.parametrize(
    ("processor", "expected"),
    [
        (GENOA, "AMD EPYC family 25 model 17"),
        (I7, "Intel Core i7-8700K family 6 model 158"),
        ("Hardware Qualcomm Technologies, Inc SM8150", "Qualcomm Technologies, Inc SM8150"),
        ("Model Raspberry Pi 4, CPU part 0xd08", "Raspberry Pi 4 CPU part 0xd08"),
        ("arm64", "arm64"),
        ("Samsung Note10", "Samsung Note10"),
        (None, ""),
        (["a list"], ""),
    ],
    ids=str,
)
def test_a_processor_is_named_as_it_is_read(processor: Any, expected: str) -> None:
    assert Conditions.of({"processor": processor}).processor == expected


def test_a_gpu_is_the_processor_of_what_runs_on_it() -> None:
    setup = {**facts(device="cuda"), "versions": {"torch": "2.13.0", "gpu": "NVIDIA H200"}}
    assert str(Conditions.of(setup)) == "NVIDIA H200, torch 2.13.0"


def test_conditions_in_words() -> None:
    text = str(Conditions.of(facts(threads=4, precision="bfloat16", batch=8)))
    assert text == "AMD EPYC family 25 model 17, torch 2.13.0, bfloat16, 4 threads, batch 8"
    assert str(Conditions.of({})) == "unknown processor"


def test_the_same_device_does_not_differ() -> None:
    assert words(facts(), facts(), facts()) == []
    assert words(facts(), facts(pin=[0])) == []
    assert words(facts("Intel Core i7-8700K"), facts(I7)) == []  # a published name is short


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        (
            facts(TURIN),
            "of another processor (AMD EPYC family 25 model 17, measured on AMD EPYC family 26 "
            "model 2)",
        ),
        (facts(version="2.14.0"), "of another version of torch (2.13.0, measured with 2.14.0)"),
        (
            {**facts(), "runtime": "openvino", "versions": {"openvino": "2026.4.1"}},
            "of another runtime (torch 2.13.0, measured with openvino 2026.4.1)",
        ),
        (facts(threads=4), "with another number of threads (1, measured with 4)"),
        (facts(batch=8), "with another batch size (1, measured with 8)"),
        (facts(precision="bfloat16"), "with another precision (float32, measured with bfloat16)"),
    ],
    ids=["processor", "version", "runtime", "threads", "batch", "precision"],
)
def test_what_differs_is_named(measured: dict[str, Any], expected: str) -> None:
    assert words(facts(), measured) == [expected]


def test_several_differences_are_all_named() -> None:
    found = words(facts(), facts(TURIN, "2.14.0", threads=2), facts(I7))
    assert found[0].endswith(
        "AMD EPYC family 26 model 2 and Intel Core i7-8700K family 6 model 158)"
    )
    assert [f.partition(" (")[0] for f in found] == [
        "of another processor",
        "of another version of torch",
        "with another number of threads",
    ]


def test_an_unknown_processor_is_said_to_be_unknown() -> None:
    (note,) = words({}, facts(TURIN))
    assert note == "of an unknown processor (measured on AMD EPYC family 26 model 2)"
    (note,) = words(facts(), {"measured_by": "on_my_phone"})
    assert note == (
        "of AMD EPYC family 25 model 17, measured by `on_my_phone` on an unknown processor"
    )
    (note,) = words(facts(), {})
    assert note == "of AMD EPYC family 25 model 17, measured on an unknown processor"


def test_nothing_is_said_where_nothing_is_known() -> None:
    assert words({}, {}) == []
    assert words({}, {"measured_by": "on_my_phone"}) == []
    assert words(facts()) == []


def test_what_one_function_measured_is_of_one_device() -> None:
    own = {**dict.fromkeys(facts()), "measured_by": "on_my_phone"}
    assert words(own, {"measured_by": "on_my_phone"}) == []


@pytest.mark.parametrize(
    "odd", [{"settings": [1]}, {"versions": "2"}, {"runtime": 3}, {"settings": {"threads": "x"}}]
)
def test_metadata_of_any_kind_are_read(odd: dict[str, Any]) -> None:
    assert Conditions.of(odd) == Conditions()
