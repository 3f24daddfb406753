"""A part of a note that is replaced."""

from __future__ import annotations

from collections.abc import Callable

import optuna
import plotly.graph_objects as go
import pytest

from optuna_ofa.dashboard._pending import Pending, with_block
from optuna_ofa.studies import SubnetStudy


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


@pytest.mark.parametrize("is_trial", [False, True], ids=["study", "trial"])
@pytest.mark.parametrize("lengths", [(10,), (2045, 2046), (9000, 5, 0)], ids=str)
def test_texts_are_stored_as_the_dashboard_does(
    searched: Callable[..., SubnetStudy], lengths: tuple[int, ...], is_trial: bool
) -> None:
    dashboard = pytest.importorskip("optuna_dashboard", reason="optuna-dashboard is missing")
    study, peer = searched(), optuna.create_study(directions=["minimize", "minimize"])
    peer.add_trial(study.trials[0])
    place = optuna.Trial(peer, peer.trials[0]._trial_id) if is_trial else peer
    for n in lengths:
        figure = go.Figure(layout={"title": "x" * n})
        dashboard.save_note(place, with_block("", "y" * n))
        dashboard.save_plotly_graph_object(peer, figure, graph_object_id="name")
        pending = Pending(study.store)
        pending.set_note("y" * n, trial_id=place._trial_id if is_trial else None)
        pending.set_figure(figure, "name")
        pending.write()
    ours, theirs = (
        {k: x for k, x in of._storage.get_study_system_attrs(of._study_id).items() if ":" in k}
        for of in (study, peer)
    )
    assert {k: x for k, x in ours.items() if k.startswith("dashboard:")} == theirs
