"""A part of a note that is replaced."""

from __future__ import annotations

import pytest

from optuna_ofa.dashboard._pending import with_section


def test_an_empty_note_gets_the_text() -> None:
    assert "\n\nhello\n\n" in with_section("", "hello")


@pytest.mark.parametrize("mine", ["", "mine", "# Mine\n\nof two lines"], ids=["none", "one", "two"])
def test_what_others_wrote_stays(mine: str) -> None:
    once = with_section(mine, "first")
    twice = with_section(once + "\n\nbelow", "second")
    assert "first" in once
    assert "first" not in twice
    assert "second" in twice
    assert twice.endswith(f"{mine}\n\nbelow".strip())
    assert with_section(twice, "") == f"{mine}\n\nbelow".strip()


def test_a_text_above_stays_above() -> None:
    note = "above\n\n" + with_section("", "first")
    assert with_section(note, "second").startswith("above\n\n[optuna_ofa begin]")


def test_the_same_text_changes_nothing() -> None:
    note = with_section("mine", "text\n")
    assert with_section(note, "text") == note


def test_half_a_section_is_a_text_like_others() -> None:
    broken = with_section("", "first").split("[optuna_ofa end]")[0]
    assert "first" in with_section(broken, "second")
