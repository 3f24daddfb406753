"""Studies of a microcontroller by name."""

from __future__ import annotations

import warnings
from pathlib import Path

import optuna
import pytest

import optuna_ofa
from optuna_ofa.exceptions import (
    ImplausibleValueWarning,
    InfeasibleConstraintError,
    InvalidArgumentError,
    StorageError,
    StudyMismatchError,
)
from optuna_ofa.fronts import limit_words
from optuna_ofa.problem import DESCRIPTION
from optuna_ofa.reports import find_sources
from optuna_ofa.storage import open_storage, summaries

FAMILY = "ofa_mbv3_fashion"
LIMITS = {"sram_kb": 320, "flash_kb": 1024}


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/nas.db"


def test_the_memories_of_a_board_are_constraints() -> None:
    study = optuna_ofa.study(FAMILY, board="STM32F746G-DISCO", objectives=["n_macs"])
    assert study.problem.constraints == LIMITS
    study.search(50)
    for point in study.front():
        assert study.problem.predict("sram_kb", study.space.to_matrix([point.subnet]))[0] <= 320


def test_the_usual_objectives_without_and_with_latencies() -> None:
    assert optuna_ofa.study(FAMILY, board="rp2350").problem.objectives == ("top1", "n_macs")
    timed = optuna_ofa.study(FAMILY, board="rp2350", hardware="cpu-torch")
    assert timed.problem.objectives == ("top1", "latency_ms")
    fleet = optuna_ofa.fleet(FAMILY, boards=["rp2350"])
    assert fleet["rp2350"].problem.objectives == ("top1", "n_macs")


def test_a_smaller_constraint_leaves_a_part_to_the_application() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        study = optuna_ofa.study(
            FAMILY, board="stm32f746", constraints={"sram_kb": 200}, objectives=["n_macs"]
        )
    assert study.problem.constraints == {**LIMITS, "sram_kb": 200}


def test_a_larger_constraint_is_said_not_to_apply() -> None:
    with pytest.warns(ImplausibleValueWarning, match="STM32F746 has 1024 kB, which applies"):
        study = optuna_ofa.study(
            FAMILY, board="stm32f746", constraints={"flash_kb": 2000}, objectives=["n_macs"]
        )
    assert study.problem.constraints == LIMITS


def test_a_board_that_nothing_fits_is_refused_before_a_study_is_created(url: str) -> None:
    with pytest.raises(
        InfeasibleConstraintError,
        match=r"nRF52832 has 65,536 .* the nearest subnet, ofa_mbv3_fashion@20 \| .*'stm32l476'",
    ):
        optuna_ofa.study(FAMILY, board="nrf52832", objectives=["n_macs"], storage=url)
    assert not optuna.get_all_study_names(url)


def test_an_unknown_board_is_refused(url: str) -> None:
    with pytest.raises(InvalidArgumentError, match=r"`board` must be one of .* 'stm32f746'\?"):
        optuna_ofa.study(FAMILY, board="stm32f747", objectives=["n_macs"], storage=url)


def test_a_board_is_stored_with_its_study(url: str) -> None:
    arguments = {"objectives": ["n_macs"], "storage": url, "study_name": "mine"}
    optuna_ofa.study(FAMILY, board="stm32f746", **arguments)
    study = optuna_ofa.load_study("mine", url)
    assert study.problem.board is not None
    assert study.problem.board.name == "stm32f746"
    assert study.problem.constraints == LIMITS
    assert [summary.board for summary in summaries(open_storage(url))] == ["stm32f746"]
    again = optuna_ofa.study(FAMILY, board="STM32-F746", load_if_exists=True, **arguments)
    assert again.problem.describe() == study.problem.describe()
    with pytest.raises(StudyMismatchError, match="has board 'stm32f746' instead of 'stm32f765'"):
        optuna_ofa.study(
            FAMILY, board="stm32f765", constraints=LIMITS, load_if_exists=True, **arguments
        )


@pytest.mark.parametrize("board", ["pdp11", 5, None], ids=str)
def test_a_stored_board_that_was_damaged(url: str, board: object) -> None:
    study = optuna_ofa.study(
        FAMILY, board="stm32f746", objectives=["n_macs"], storage=url, study_name="mine"
    )
    described = {**study.user_attrs[DESCRIPTION], "board": board}
    study.set_user_attr(DESCRIPTION, described)
    with pytest.raises(StorageError, match="damaged"):
        optuna_ofa.load_study("mine", url)


def test_everything_that_describes_a_study_names_the_board() -> None:
    study = optuna_ofa.study(FAMILY, board="stm32h743", objectives=["n_macs", "n_params"])
    study.search(20)
    assert repr(study).endswith("n_macs / n_params, for STM32H743 (512 kB SRAM, 2,048 kB flash))")
    assert ">STM32H743 (512 kB SRAM, 2,048 kB flash)<" in study._repr_html_()
    sources = {source.name: source.text for source in find_sources(study)}
    assert sources["Limits"] == limit_words(study.problem.constraints, study.problem.metrics)
    assert sources["Board"].startswith("STM32H743 (512 kB SRAM, 2,048 kB flash); Arm Cortex-M7")
    assert "SRAM of 1,024 kB in all: AXI SRAM" in sources["Board"]
    assert "RM0433" in sources["Board"]
    assert sources["Multiply-adds"] == "counted exactly from the layers"
    assert sources[study.problem.metrics["sram_kb"].title].startswith("predicted for tflite-micro")
    notes = study.plot_front().layout.meta["notes"]
    assert "limits: sram_kb ≤ 512 kB, flash_kb ≤ 2048 kB (board STM32H743)" in notes[0]
