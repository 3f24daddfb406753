"""The table of microcontrollers, against figures of their data sheets typed here again."""

from __future__ import annotations

import dataclasses

import pytest

from optuna_ofa.data import Board, board_that_fits, find_board, known_boards
from optuna_ofa.exceptions import InvalidArgumentError


@pytest.mark.parametrize(
    ("name", "sram", "total", "flash", "clock"),
    [
        ("nrf52832", 64, 64, 512, 64),
        ("nrf52840", 256, 256, 1024, 64),
        ("stm32f411", 128, 128, 512, 100),
        ("stm32f412", 256, 256, 1024, 100),
        ("stm32f746", 64 + 240 + 16, 320, 1024, 216),  # DTCM, SRAM1, SRAM2
        ("stm32f765", 128 + 368 + 16, 512, 2048, 216),
        ("stm32h743", 512, 1024, 2048, 480),  # AXI SRAM
        ("stm32l476", 96, 96 + 32, 1024, 80),
        ("stm32l4r5", 192 + 64 + 384, 640, 2048, 120),
        ("rp2040", 264, 264, 2048, 133),
        ("rp2350", 520, 520, 4096, 150),
        ("esp32", 160, 520, 4096, 240),
    ],
)
def test_memories_as_published(name: str, sram: int, total: int, flash: int, clock: int) -> None:
    board = find_board(name)
    assert (board.sram_kb, board.total_sram_kb, board.flash_kb) == (sram, total, flash)
    assert board.clock_mhz == clock


def test_every_row_is_whole() -> None:
    boards = known_boards()
    assert len(boards) >= 12
    assert [board.sram_kb for board in boards] == sorted(board.sram_kb for board in boards)
    for board in boards:
        assert all(getattr(board, field.name) for field in dataclasses.fields(Board))
        assert 0 < board.sram_kb <= board.total_sram_kb < board.flash_kb
    names = [name for board in boards for name in (board.name, *board.aliases)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("STM32F746", "stm32f746"),
        ("stm32-f746", "stm32f746"),
        ("STM32F746G-DISCO", "stm32f746"),
        ("Arduino Nano 33 BLE", "nrf52840"),
        ("pico_2", "rp2350"),
        ("ESP32-S3", "esp32s3"),
    ],
)
def test_case_punctuation_and_aliases(given: str, name: str) -> None:
    assert find_board(given).name == name


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("stm32f764", r"did you mean 'stm32f746'\?"),
        ("arduino_nano_3", r"did you mean 'arduino_nano_33_ble'\?"),
        ("note10", r"must be one of nrf52832, .*, but got 'note10'\. Give the limits"),
        ("", r"but got ''\."),
    ],
)
def test_unknown_board(given: str, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        find_board(given)


@pytest.mark.parametrize(
    ("sram", "flash", "name"),
    [(64, 512, "nrf52832"), (64.001, 512, "stm32l476"), (100, 4000, "esp32"), (641, 1, None)],
)
def test_smallest_board_that_fits(sram: float, flash: float, name: str | None) -> None:
    found = board_that_fits({"sram_kb": sram, "flash_kb": flash})
    assert (found and found.name) == name


def test_a_board_in_words_and_as_json() -> None:
    board = find_board("stm32f746")
    assert str(board) == "STM32F746 (320 kB SRAM, 1,024 kB flash)"
    assert board.limits == {"sram_kb": 320.0, "flash_kb": 1024.0}
    assert board.to_dict()["aliases"] == ["stm32f746g_disco", "nucleo_f746zg"]
