"""Lines of microcontrollers in a plot of a front."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

import optuna_ofa
from optuna_ofa import Metric, SubnetStudy
from optuna_ofa.data import find_board
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.predictors import CostPredictor
from optuna_ofa.visualization import plot_fronts
from optuna_ofa.visualization._board_lines import BoardLine, _placed, board_lines, is_far
from optuna_ofa.visualization._front_info import front_info


def make(board: str) -> SubnetStudy:
    space = optuna_ofa.SearchSpace("ofa_mbv3_fashion")
    n_params = CostPredictor("n_params", space)
    score = Metric("score", direction="maximize", predictor=n_params.predict)
    made = optuna_ofa.study(space, objectives=[score, "sram_kb"], board=board, seed=0)
    made.search(60)
    return made


@pytest.fixture(scope="module")
def study() -> SubnetStudy:
    return make("stm32f746")


def lines_of(study: SubnetStudy, boards: Sequence[str] | None) -> list[BoardLine]:
    info = front_info(study)
    own = [info.board] if info.board else []
    limit = info.constraints.get("sram_kb")
    return board_lines("sram_kb", [info.front], boards, own=own, limit=limit)


def test_the_boards_in_the_range_of_the_front_and_that_of_the_study(study: SubnetStudy) -> None:
    values = [point.values["sram_kb"] for point in study.front()]
    lines = lines_of(study, None)
    assert [line.value for line in lines if line.value != 320] == [
        v for v in (64, 96, 128, 160, 256, 264, 337, 384) if min(values) <= v <= max(values)
    ]
    last = lines[-1]
    assert (last.value, last.label, last.is_limit) == (320, "STM32F746: 320 kB", True)
    assert not any(line.is_limit for line in lines[:-1])


def test_a_board_far_beyond_the_front_does_not_compress_it(study: SubnetStudy) -> None:
    board = find_board("rp2350")
    fronts = [study.front()]
    assert is_far(520, fronts, "sram_kb")
    assert not is_far(320, fronts, "sram_kb")
    lines = board_lines("sram_kb", fronts, None, own=[board], limit=520)
    assert max(line.value for line in lines) < 300
    assert board_lines("sram_kb", fronts, ["rp2350"], own=[board])[-1].value == 520


def test_chosen_boards_are_drawn_once(study: SubnetStudy) -> None:
    lines = lines_of(study, ["Nano 33 BLE", "stm32l4r5", "nrf52840", "stm32f412", "rp2040"])
    assert [(line.value, line.label) for line in lines] == [
        (256, "nRF52840 +1: 256 kB"),
        (264, "RP2040: 264 kB"),
        (640, "STM32L4R5: 640 kB"),
    ]
    assert lines_of(study, []) == []


def test_one_board_stands_for_several_of_the_range(study: SubnetStudy) -> None:
    labels = {line.value: line.label for line in lines_of(study, None)}
    assert labels[128] == "nRF52833 +2: 128 kB"


def test_labels_that_are_near_are_at_different_heights_or_joined() -> None:
    labels = [(float(v), f"{v}") for v in (100, 200, 205, 208, 240)]
    assert _placed(labels, 30) == [
        (100, "100", 0.09, False),
        (200, "200", 0.09, False),
        (205, "205; 208", 0.6, False),
        (208, "208", None, False),
        (240, "240", 0.09, False),
    ]
    assert _placed([], 30) == []


def test_lines_and_labels_are_drawn(study: SubnetStudy) -> None:
    figure = study.plot_front(boards=["stm32f412", "stm32f746"])
    labels = {note.text: note.x for note in figure.layout.annotations}
    assert labels["STM32F412: 256 kB"] == 256
    assert labels["STM32F746: 320 kB"] == labels["limit 320 kB"] == 320
    dashes = [(shape.x0, shape.line.dash) for shape in figure.layout.shapes]
    assert dashes == [(320, "dash"), (256, "dot")]
    bare = study.plot_front(boards=[])
    assert [note.text for note in bare.layout.annotations] == ["limit 320 kB"]


def test_boards_are_refused_where_they_cannot_be_drawn(study: SubnetStudy) -> None:
    with pytest.raises(InvalidArgumentError, match=r"`boards` must be one of .*'stm32f746'\?"):
        study.plot_front(boards=["stm32f747"])
    other = optuna_ofa.study(study.space, objectives=["n_params", "n_macs"])
    other.search(20)
    with pytest.raises(InvalidArgumentError, match=r"`boards` must be left out unless .* n_macs"):
        other.plot_front(boards=["stm32f746"])
    assert not other.plot_front().layout.shapes


def test_several_fronts_have_the_lines_of_all_studies(study: SubnetStudy) -> None:
    studies = {"F746": study, "RP2040": make("rp2040")}
    labels = {note.text for note in plot_fronts(studies).layout.annotations}
    assert {"STM32F746: 320 kB", "RP2040: 264 kB"} <= labels
    chosen = plot_fronts(studies, boards=["rp2040"]).layout
    assert [note.text for note in chosen.annotations] == ["RP2040: 264 kB"]
    assert [shape.x0 for shape in chosen.shapes] == [264]
    fronts = {name: of.front() for name, of in studies.items()}
    assert not plot_fronts(fronts, boards=[]).layout.shapes
    with pytest.raises(InvalidArgumentError, match="`boards` must be one of"):
        plot_fronts(fronts, boards=["stm32f747"])
