"""Microcontrollers by name: their memories as published, from ``boards.csv``.

TFLite Micro takes one array of bytes for its arena, so the limit is the largest part of the SRAM at
adjacent addresses, which may be less than the total on the data sheet. It is all of that part: what
the application needs itself, such as its stack, images and the radio, is not subtracted.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from optuna_ofa._files import read_text
from optuna_ofa._packaged_tables import PACKAGED
from optuna_ofa._rules import shown
from optuna_ofa._suggestions import did_you_mean
from optuna_ofa.exceptions import InvalidArgumentError

MEMORIES = SRAM, FLASH = "sram_kb", "flash_kb"  # the metrics that a board limits


@dataclass(frozen=True)
class Board:
    """A microcontroller, with sizes in units of 1,024 bytes as on its data sheet.

    Args:
        name: Its name in this package.
        title: Its name in figures.
        aliases: Other names, such as those of boards with it.
        core: Its processor core.
        clock_mhz: The highest clock.
        sram_kb: Its largest SRAM in one piece, which limits the arena.
        total_sram_kb: All of its SRAM.
        flash_kb: Its flash memory, or that of the module or board that is named in ``memory``.
        memory: What ``sram_kb`` consists of.
        source: The document with these figures.
    """

    name: str
    title: str
    aliases: tuple[str, ...]
    core: str
    clock_mhz: int
    sram_kb: int
    total_sram_kb: int
    flash_kb: int
    memory: str
    source: str

    @property
    def limits(self) -> dict[str, float]:
        """The limits of a network on this board, by metric."""
        return {SRAM: float(self.sram_kb), FLASH: float(self.flash_kb)}

    def fits(self, values: Mapping[str, float]) -> bool:
        """Return whether values of a network, by metric, are within the limits."""
        return all(values[metric] <= limit for metric, limit in self.limits.items())

    def __str__(self) -> str:
        return f"{self.title} ({self.sram_kb:,} kB SRAM, {self.flash_kb:,} kB flash)"

    def to_dict(self) -> dict[str, Any]:
        """Return the facts about the board (JSON)."""
        return {**vars(self), "aliases": list(self.aliases)}


@cache
def known_boards() -> tuple[Board, ...]:
    """Return the boards known by name, from the smallest SRAM to the largest."""
    rows = csv.DictReader(read_text(PACKAGED / "boards.csv").splitlines())
    return tuple(map(_board, rows))


def _board(row: Mapping[str, str]) -> Board:
    return Board(
        name=row["name"],
        title=row["title"],
        aliases=tuple(row["aliases"].split()),
        core=row["core"],
        clock_mhz=int(row["clock_mhz"]),
        sram_kb=int(row["sram_kb"]),
        total_sram_kb=int(row["total_sram_kb"]),
        flash_kb=int(row["flash_kb"]),
        memory=row["memory"],
        source=row["source"],
    )


def find_board(name: str, argument: str = "board") -> Board:
    """Return a board by its name or an alias; case and punctuation do not matter.

    Args:
        name: The name.
        argument: Name of the caller's argument, for messages.

    Raises:
        InvalidArgumentError: If no board has that name.
    """
    boards = known_boards()
    named = {_key(alias): board for board in boards for alias in (board.name, *board.aliases)}
    found = named.get(_key(name))
    if found is not None:
        return found
    names = [board.name for board in boards]
    aliases = [alias for board in boards for alias in board.aliases]
    raise InvalidArgumentError(
        f"`{argument}` must be one of {', '.join(names)}, but got {shown(name)}"
        f"{did_you_mean(name, [*names, *aliases])} Give the limits of any other board by {SRAM} "
        f"and {FLASH} in `constraints`."
    )


def board_that_fits(values: Mapping[str, float]) -> Board | None:
    """Return the known board with the smallest SRAM that a network with these values fits.

    Args:
        values: Its ``sram_kb`` and ``flash_kb``.
    """
    return next((board for board in known_boards() if board.fits(values)), None)


def _key(name: str) -> str:
    return "".join(c for c in name.casefold() if c.isalnum())
