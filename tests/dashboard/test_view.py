"""Copies of studies with few trials."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.artifacts import FileSystemArtifactStore

from optuna_ofa.dashboard import publish_view
from optuna_ofa.dashboard._view import _kept
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.fronts import evenly
from optuna_ofa.studies import SubnetStudy

pytest.importorskip("optuna_dashboard", reason="optuna-dashboard is not installed")
Make = Callable[..., SubnetStudy]


def rows(study: SubnetStudy) -> set[tuple[float, ...]]:
    return {tuple(v) for v in study.results().values.tolist()}


@pytest.mark.parametrize("storage", [None, "sqlite:///{}/view.db"], ids=["memory", "sqlite"])
def test_a_view_has_few_trials_of_all_sorts(
    searched: Make, storage: str | None, tmp_path: Path
) -> None:
    study = searched(200)
    view = publish_view(study, storage and storage.format(tmp_path), n_trials=30, limits=[12, 15])
    results, seen = study.results(), view.results()
    assert view.study_name == study.study_name
    assert 28 <= len(seen.numbers) <= 32
    assert rows(view) <= rows(study)
    ends = {tuple(p.values.values()) for p in (study.front()[0], study.front()[-1])}
    assert ends <= rows(view)
    assert 0 < (~seen.feasible).sum() < (~results.feasible).sum()
    listed = [t.system_attrs["constraints"][0] > 0 for t in view.trials]
    assert listed == (~seen.feasible).tolist()


@pytest.mark.parametrize("storage", [None, "sqlite:///{}/view.db"], ids=["memory", "sqlite"])
def test_pictures_are_of_all_and_picks_are_there(
    searched: Make, storage: str | None, tmp_path: Path
) -> None:
    from optuna_dashboard._note import get_note_from_system_attrs

    study = searched(200)
    (tmp_path / "files").mkdir()
    store = FileSystemArtifactStore(tmp_path / "files")
    knee = study.front().knee()
    view = publish_view(
        study,
        storage and storage.format(tmp_path),
        n_trials=10,
        limits=[],
        picks={"knee": knee},
        artifact_store=store,
    )
    attributes = view._storage.get_study_system_attrs(view._study_id)
    (number,) = attributes["optuna_ofa:published"]
    assert view.trials[number].user_attrs["subnet"] == knee.subnet.to_dict()
    note = get_note_from_system_attrs(attributes, None)["body"]
    assert f"trials?numbers={number})" in note
    assert "200 predicted" in note
    pieces = [key for key in attributes if key.startswith("dashboard:plot_data:front:")]
    picture = "".join(attributes[f"dashboard:plot_data:front:{i}"] for i in range(len(pieces)))
    assert f"{len(study.front())} predicted subnets" in picture


def test_a_view_replaces_the_last_one(searched: Make, tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/view.db"
    study = searched(60)
    publish_view(study, storage, n_trials=10)
    study.search(60)
    again = publish_view(study, storage, n_trials=20)
    assert optuna.get_all_study_names(storage) == ["laptop"]
    assert len(again.trials) >= 20


def test_a_study_is_never_replaced(searched: Make, tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/study.db"
    study = searched(storage=storage)
    with pytest.raises(InvalidArgumentError, match="`storage` must not have a study 'laptop'"):
        publish_view(study, storage)
    assert len(study.trials) == 60


def test_measured_trials_stay_measured(searched: Make) -> None:
    study = searched()
    study.tell_batch(study.ask_batch(4), [(70.0 + i, 10.0 + i) for i in range(4)])
    view = publish_view(study, None, limits=[11.5])
    assert rows(view) == {(70.0 + i, 10.0 + i) for i in range(4)}
    measured = publish_view(study, None, kind="measured")
    assert len(measured.trials) == 4
    predicted = publish_view(study, None, kind="predicted")
    assert not predicted.results().measured.any()


@pytest.mark.parametrize("storage", [None, "sqlite:///{}/view.db"], ids=["memory", "sqlite"])
def test_a_view_of_a_verified_study_has_predicted_trials_beside_the_measured_ones(
    searched: Make, storage: str | None, tmp_path: Path
) -> None:
    from optuna_dashboard._note import get_note_from_system_attrs

    study = searched(200)
    measure = {"top1": lambda _: (70.0, 0.8), "latency_ms": lambda s: sum(s.stage_depths)}
    study.verify(measure, points=8)
    study.search(40)
    view = publish_view(study, storage and storage.format(tmp_path), n_trials=40)
    kinds = {kind: view.results(kind=kind) for kind in ("predicted", "measured")}
    assert len(kinds["measured"].numbers) == 8
    assert 32 <= len(kinds["predicted"].numbers) <= 40
    for kind, found in kinds.items():
        there = {tuple(v) for v in study.results(kind=kind).values.tolist()}
        assert {tuple(v) for v in found.values.tolist()} <= there
    assert {p.kind for p in view.front()} == {"measured"}
    assert all(p.std == {"top1": 0.8} for p in view.front())
    attributes = view._storage.get_study_system_attrs(view._study_id)
    assert "mix them" in get_note_from_system_attrs(attributes, None)["body"]
    numbers = attributes["optuna_ofa:published"]
    assert {view.trials[n].user_attrs["kind"] for n in numbers} == {"measured"}


def test_picks_are_of_the_kind_that_is_copied(searched: Make) -> None:
    study = searched()
    study.tell_batch(study.ask_batch(2), [(70.0, 10.0), (71.0, 11.0)])
    picks = {"knee": study.front(kind="predicted").knee()}
    with pytest.raises(InvalidArgumentError, match=r"`picks` must be measured trials .* 'knee' is"):
        publish_view(study, None, picks=picks, kind="measured")


def test_trials_are_read_once_and_once_more_for_the_copy(
    searched: Make, counted: Callable[[SubnetStudy], Counter[str]]
) -> None:
    study = searched()
    counts = counted(study)
    publish_view(study, None)
    assert counts == {"read": 2, "find_front": 1}


@pytest.mark.parametrize("n", [1, 0])
def test_one_trial_is_too_few(searched: Make, n: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=f"`n_trials` must be .* 2, but got {n}"):
        publish_view(searched(), None, n_trials=n)


def test_spread_over_the_whole_search(searched: Make) -> None:
    study = searched(200)
    view = publish_view(study, None, n_trials=50, limits=[])
    order = {tuple(t.values): t.number for t in study.trials}
    numbers = np.array([order[tuple(t.values)] for t in view.trials])
    assert (np.diff(numbers) > 0).all()
    assert np.histogram(numbers, bins=4, range=(0, 200))[0].min() >= 5


def test_a_limit_that_nothing_satisfies_is_refused_before_there_is_a_copy(
    searched: Make, tmp_path: Path
) -> None:
    storage = f"sqlite:///{tmp_path}/view.db"
    with pytest.raises(InvalidArgumentError, match=r"`limits` must be reached .* but got 1 ms"):
        publish_view(searched(40), storage, limits={"saver": 1})
    assert not (tmp_path / "view.db").exists()


def test_a_supernet_without_a_store_is_refused_before_there_is_a_copy(
    searched: Make, tmp_path: Path
) -> None:
    storage = f"sqlite:///{tmp_path}/view.db"
    with pytest.raises(InvalidArgumentError, match="`artifact_store` must be given with a"):
        publish_view(searched(40), storage, supernet=object())
    assert not (tmp_path / "view.db").exists()


def test_half_of_a_view_is_along_the_front_and_half_of_it_is_measured(searched: Make) -> None:
    study = searched(200)
    asked = study.ask_batch(8)
    study.tell_batch(asked, [(70.0 + i, 10.0 + i) for i in range(8)])
    found = study.snapshot()
    front = {p.trial_number for p in found.front(kind="predicted")}
    measured = {one.number for one in asked}
    alone = _kept(found, ["predicted"], [], 20).tolist()
    assert len(alone) == len(set(alone)) == 20
    ends = evenly(len(front), 10)
    along = {p.trial_number for i, p in enumerate(found.front(kind="predicted")) if i in ends}
    assert len(along) == 10
    assert along <= set(alone)
    assert not set(alone) & measured
    both = _kept(found, ["predicted", "measured"], [], 10).tolist()
    assert len(both) == 10
    assert len(set(both) & measured) == 5  # the predicted ones have the other half
    few = set(_kept(found, ["predicted", "measured"], [], 60).tolist())
    assert measured <= few  # and the rest is predicted
    assert len(few) == 60
    wanted = [max(set(range(150)) - front)]
    assert len(_kept(found, ["predicted"], wanted, 6)) == 6
    assert wanted[0] in _kept(found, ["predicted"], wanted, 6)
