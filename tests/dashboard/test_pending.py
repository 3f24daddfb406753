"""A part of a note that is replaced."""

from __future__ import annotations

import pytest

from optuna_ofa.dashboard._pending import with_block


def test_an_empty_note_gets_the_text() -> None:
    assert "\n\nhello\n\n" in with_block("", "hello")


@pytest.mark.parametrize("mine", ["", "mine", "# Mine\n\nof two lines"], ids=["none", "one", "two"])
def test_what_others_wrote_stays(mine: str) -> None:
    once = with_block(mine, "first")
    twice = with_block(once + "\n\nbelow", "second")
    assert "first" in once
    assert "first" not in twice
    assert "second" in twice
    assert twice.endswith(f"{mine}\n\nbelow".strip())
    assert with_block(twice, "") == f"{mine}\n\nbelow".strip()


def test_a_text_above_stays_above() -> None:
    note = "above\n\n" + with_block("", "first")
    assert with_block(note, "second").startswith("above\n\n[optuna_ofa begin]")


def test_the_same_text_changes_nothing() -> None:
    note = with_block("mine", "text\n")
    assert with_block(note, "text") == note


def test_half_a_block_is_a_text_like_others() -> None:
    broken = with_block("", "first").split("[optuna_ofa end]")[0]
    assert "first" in with_block(broken, "second")
