"""Fleets of microcontrollers."""

from __future__ import annotations

from typing import Any

import optuna
import pytest

import optuna_ofa
from optuna_ofa.exceptions import InfeasibleConstraintError, InvalidArgumentError

FAMILY = "ofa_mbv3_fashion"


def test_boards_are_the_devices_of_a_fleet_without_latencies(sqlite: str) -> None:
    fleet = optuna_ofa.fleet(
        FAMILY, boards=["stm32f412", "stm32f746"], objectives=["n_macs"], storage=sqlite,
        study_name="mine", constraints={"sram_kb": {"stm32f746": 300}},
    )  # fmt: skip
    assert list(fleet) == ["stm32f412", "stm32f746"]
    assert fleet["stm32f412"].problem.constraints == {"sram_kb": 256, "flash_kb": 1024}
    assert fleet["stm32f746"].problem.constraints == {"sram_kb": 300, "flash_kb": 1024}
    loaded = optuna_ofa.load_study("mine/stm32f412", sqlite).problem.board
    assert loaded is not None
    assert loaded.name == "stm32f412"


def test_devices_with_latencies_have_boards_by_name() -> None:
    fleet = optuna_ofa.fleet(
        FAMILY, hardware={"camera": "cpu-torch", "pc": "cpu-openvino"},
        boards={"camera": "stm32h743"}, objectives=["latency_ms"],
    )  # fmt: skip
    assert fleet["camera"].problem.constraints == {"sram_kb": 512, "flash_kb": 2048}
    assert fleet["pc"].problem.board is None


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, InvalidArgumentError, "`hardware` must be .* unless `boards` has some, but got None"),
        ({"boards": []}, InvalidArgumentError, "`hardware` must be .* unless `boards` has some"),
        ({"boards": ["pdp11"]}, InvalidArgumentError, "`boards` must be one of .*'pdp11'"),
        ({"boards": ["rp2040", "rp2040"]}, InvalidArgumentError, "must have different names"),
        (
            {"boards": ["rp2040"], "objectives": ["latency_ms"]}, InvalidArgumentError,
            "`hardware` must have the latencies of the boards",
        ),
        (
            {"boards": {"a": "rp2040"}, "hardware": ["b"]}, InvalidArgumentError,
            "`boards` must name only the devices b, but got 'a'",
        ),
        (
            {"boards": ["stm32f746", "nrf52832"]}, InfeasibleConstraintError,
            "`boards` must fit a subnet of the space, but nRF52832 has 65,536 bytes",
        ),
    ],
    ids=["nothing", "no board", "unknown", "twice", "latency", "other device", "too small"],
)  # fmt: skip
def test_refused_before_a_study_is_created(
    sqlite: str, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        optuna_ofa.fleet(FAMILY, storage=sqlite, **{"objectives": ["n_macs"], **arguments})
    assert not optuna.get_all_study_names(sqlite)
