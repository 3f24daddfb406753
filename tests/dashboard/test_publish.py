"""What is put into a storage for Optuna Dashboard."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.artifacts import FileSystemArtifactStore, download_artifact, get_all_artifact_meta
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from optuna_ofa import load_supernet
from optuna_ofa.dashboard import PublishEvery, _publish
from optuna_ofa.dashboard._artifacts import Artifacts
from optuna_ofa.dashboard._pending import Pending
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.space import net_config
from optuna_ofa.studies import SubnetStudy

dashboard = pytest.importorskip("optuna_dashboard", reason="optuna-dashboard is not installed")
Make = Callable[..., SubnetStudy]
FIGURES = (
    "front",
    "architectures",
    "choices",
    "layers",
    "accuracy-macs",
    "hypervolume",
    "hypervolume-time",
)


@pytest.fixture(params=["memory", "sqlite", "journal"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """A storage of each kind."""
    if request.param == "journal":
        return JournalStorage(JournalFileBackend(str(tmp_path / "study.log")))
    return None if request.param == "memory" else f"sqlite:///{tmp_path}/study.db"


@pytest.fixture
def store(tmp_path: Path) -> FileSystemArtifactStore:
    (tmp_path / "files").mkdir()
    return FileSystemArtifactStore(tmp_path / "files")


def attributes(study: SubnetStudy) -> dict[str, Any]:
    return study._storage.get_study_system_attrs(study._study_id)


def drawn(study: SubnetStudy) -> dict[str, Any]:
    """The figures that the dashboard finds, by name."""
    from optuna_dashboard._custom_plot_data import get_plotly_graph_objects

    found = get_plotly_graph_objects(attributes(study))
    return {name: json.loads(text) for name, text in found.items()}


def note_of(study: SubnetStudy, number: int | None = None) -> str:
    from optuna_dashboard._note import get_note_from_system_attrs

    trial_id = None if number is None else study.trials[number]._trial_id
    return str(get_note_from_system_attrs(attributes(study), trial_id)["body"])


def files_of(study: SubnetStudy, number: int) -> dict[str, str]:
    """The ids of a trial's artifacts by file name, as the dashboard lists them."""
    from optuna_dashboard.artifact._backend import list_trial_artifacts

    trial = study.trials[number]
    found = list_trial_artifacts(attributes(study), trial.system_attrs, trial)
    return {meta["filename"]: meta["artifact_id"] for meta in found}


class TestPublishing:
    def test_a_second_time_replaces_the_first(self, searched: Make, storage: Any) -> None:
        study = searched(storage=storage)
        published = study.publish(limits=[12, 15])
        assert published.figures == FIGURES
        keys = set(attributes(study))
        assert set(drawn(study)) == set(FIGURES)
        study.search(40)
        assert study.publish(limits=[12, 15]).figures == FIGURES
        assert set(drawn(study)) == set(FIGURES)
        data = drawn(study)["hypervolume"]["data"]
        assert "under 15 ms" in note_of(study)
        assert note_of(study).count("The best subnets") == 1
        assert len(set(attributes(study)) - keys) < len(keys)
        assert len(data) == 1

    def test_figures_fit_their_places(self, searched: Make) -> None:
        study = searched()
        study.publish()
        assert {figure["layout"]["height"] for figure in drawn(study).values()} == {450}
        rows = drawn(study)["architectures"]["layout"]["yaxis"]["tickvals"]
        assert len(rows) == 3

    def test_the_note_has_a_line_a_pick_and_its_sources(self, searched: Make) -> None:
        study = searched()
        picks = study.publish(limits=[12, 15], picks={"knee": study.front().knee()}).picks
        assert list(picks) == ["under 12 ms", "under 15 ms", "knee"]
        note = note_of(study)
        for name, point in picks.items():
            assert f"&nbsp;{name}&nbsp;" in note
            if point is not None:
                assert f"/dashboard/studies/{study._study_id}/trials?numbers=" in note
        assert "**Latency predictor: runtime**: torch" in note

    def test_extrapolated_picks_are_marked(self, far_study: SubnetStudy) -> None:
        front = far_study.front()
        far = far_study.publish(picks={"far": front[-1]}).picks["far"]
        note = note_of(far_study)
        assert f"&nbsp;† {front[-1].top1:.2f} ± 3.00&nbsp;" in note
        assert "picks are extrapolated: the predictor of top1 was not fitted on anything" in note
        assert far is not None
        words = note_of(far_study, far.trial_number)
        assert "± 3.00 %, latency_ms" in words
        assert "(predicted, top1 extrapolated)" in words

    def test_a_limit_that_nothing_satisfies_is_refused(self, searched: Make) -> None:
        study = searched()
        with pytest.raises(InvalidArgumentError, match=r"`limits` must be reached .* but got 5 ms"):
            study.publish(limits=[5, 15])
        assert note_of(study) == ""
        assert drawn(study) == {}

    def test_what_others_wrote_stays(self, searched: Make) -> None:
        study = searched()
        dashboard.save_note(study, "# Mine")
        for _ in range(2):
            study.publish()
        assert note_of(study).endswith("# Mine")

    def test_trials_say_what_their_subnets_look_like(self, searched: Make) -> None:
        study = searched()
        (point,) = study.publish(limits=[15]).picks.values()
        assert point is not None
        note = note_of(study, point.trial_number)
        assert str(point.subnet) in note.replace("\\|", "|")
        assert note.count("&nbsp;block&nbsp;") == sum(point.subnet.active) + 1
        assert note.count("## under 15 ms") == 1

    def test_a_subnet_of_two_picks_says_both(self, searched: Make) -> None:
        study = searched()
        first = study.front()[0]
        study.publish(limits=[], picks={"fast": first, "small": first})
        assert "## fast, small" in note_of(study, first.trial_number)

    def test_metric_names_are_there(self, searched: Make) -> None:
        study = searched()
        study._storage.set_study_system_attr(study._study_id, "study:metric_names", None)
        study.publish()
        assert study.metric_names == ["top1", "latency_ms"]

    def test_the_dashboard_need_not_be_installed(
        self, searched: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        study = searched()
        monkeypatch.setitem(sys.modules, "optuna_dashboard", None)
        study.publish()
        monkeypatch.undo()
        assert "The best subnets" in note_of(study)

    def test_trials_are_read_once(
        self, searched: Make, storage: Any, counted: Callable[[SubnetStudy], Counter[str]]
    ) -> None:
        study = searched(storage=storage)
        study.tell_batch(study.ask_batch(2), [(70.0, 10.0), (71.0, 11.0)])
        counts = counted(study)
        study.publish()
        assert counts == {"read": 1, "find_front": 2}  # one of each kind


class TestArtifacts:
    def test_picks_have_their_config(
        self, searched: Make, storage: Any, store: FileSystemArtifactStore, tmp_path: Path
    ) -> None:
        study = searched(storage=storage)
        for _ in range(2):
            (point,) = study.publish(limits=[15], artifact_store=store).picks.values()
        assert point is not None
        files = files_of(study, point.trial_number)
        assert list(files) == ["net.config"]
        assert files["net.config"] in {p.name for p in (tmp_path / "files").iterdir()}
        with store.open_reader(files["net.config"]) as file:
            assert json.load(file) == net_config(point.subnet)

    @pytest.mark.parametrize(
        ("name", "kind"),
        [
            ("net.config", "application/json"),
            ("figures.json", "application/json"),
            ("subnet-3.onnx", "application/octet-stream"),
            ("subnet-3.safetensors", "application/octet-stream"),
            ("notes.txt", "text/plain"),
        ],
    )
    def test_files_have_their_media_type(
        self, searched: Make, store: FileSystemArtifactStore, tmp_path: Path, name: str, kind: str
    ) -> None:
        study = searched()
        (tmp_path / name).write_text("{}")
        pending = Pending(study.store)
        trial_id = study.trials[3]._trial_id
        key = Artifacts(pending, store, None)._write(store, tmp_path / name, trial_id, 3)
        meta = json.loads(pending.attributes[key])
        assert (meta["filename"], meta["mimetype"], meta["encoding"]) == (name, kind, None)

    def test_former_picks_lose_notes_and_files(
        self, searched: Make, store: FileSystemArtifactStore, tmp_path: Path
    ) -> None:
        study = searched()
        first, last = study.front()[0], study.front()[-1]
        study.publish(limits=[], picks={"a": first}, artifact_store=store)
        study.publish(limits=[], picks={"b": last}, artifact_store=store)
        assert note_of(study, first.trial_number) == ""
        assert files_of(study, first.trial_number) == {}
        assert list(files_of(study, last.trial_number)) == ["net.config"]
        assert len(list((tmp_path / "files").iterdir())) == 2  # of the trial and of the study
        study.publish(limits=[], picks={"a": first}, artifact_store=store)  # and back
        assert list(files_of(study, first.trial_number)) == ["net.config"]
        assert len(list((tmp_path / "files").iterdir())) == 2  # of the trial and of the study

    def test_files_of_former_picks_go_when_there_is_a_store_again(
        self, searched: Make, store: FileSystemArtifactStore, tmp_path: Path
    ) -> None:
        study = searched()
        first, last = study.front()[0], study.front()[-1]
        study.publish(limits=[], picks={"a": first}, artifact_store=store)
        study.publish(limits=[], picks={"b": last})
        assert list(files_of(study, first.trial_number)) == ["net.config"]
        study.publish(limits=[], picks={"b": last}, artifact_store=store)
        assert files_of(study, first.trial_number) == {}
        assert len(list((tmp_path / "files").iterdir())) == 2  # of the trial and of the study

    def test_models_come_from_a_supernet(
        self, searched: Make, store: FileSystemArtifactStore
    ) -> None:
        pytest.importorskip("safetensors", reason="safetensors is not installed")
        study = searched()
        number = study.front()[0].trial_number
        study.publish(
            limits=[],
            picks={"a": study.front()[0]},
            artifact_store=store,
            supernet=load_supernet("ofa_mbv3_w1.0"),
            format="pytorch",
        )
        name = f"subnet-{number}.safetensors"
        files = files_of(study, number)
        assert set(files) == {"net.config", name, f"{name}.json"}
        with store.open_reader(files[f"{name}.json"]) as file:
            figures = json.load(file)["figures"]
        assert [f["kind"] for f in figures] == ["predicted", "predicted"]
        study.publish(limits=[], picks={"a": study.front()[0]}, artifact_store=store)
        assert set(files_of(study, number)) == {"net.config"}  # the model is no longer asked for

    def test_optuna_finds_the_files(
        self, searched: Make, storage: Any, store: FileSystemArtifactStore, tmp_path: Path
    ) -> None:
        study = searched(storage=storage)
        (point,) = study.publish(limits=[15], artifact_store=store).picks.values()
        assert point is not None
        number = point.trial_number
        plain = (
            study if storage is None else optuna.load_study(study_name="laptop", storage=storage)
        )
        found = {
            f"trial-{number}-net.config": get_all_artifact_meta(plain),
            "net.config": get_all_artifact_meta(study.trials[number], storage=study._storage),
        }
        for name, (meta,) in found.items():
            assert (meta.filename, meta.mimetype) == (name, "application/json")
            file = tmp_path / name
            download_artifact(
                artifact_store=store, file_path=str(file), artifact_id=meta.artifact_id
            )
            assert json.loads(file.read_text()) == net_config(point.subnet)
        other = study.trials[number - 1]
        assert get_all_artifact_meta(other, storage=study._storage) == []

    def test_optuna_finds_no_files_of_former_picks(
        self, searched: Make, storage: Any, store: FileSystemArtifactStore, tmp_path: Path
    ) -> None:
        study = searched(storage=storage)
        first, last = study.front()[0], study.front()[-1]
        study.publish(limits=[], picks={"a": first, "b": last}, artifact_store=store)
        study.publish(limits=[], picks={"b": last}, artifact_store=store)
        assert get_all_artifact_meta(study.trials[first.trial_number], storage=study._storage) == []
        found = {meta.filename: meta.artifact_id for meta in get_all_artifact_meta(study)}
        left = f"trial-{last.trial_number}-net.config"
        if study.store.removes_attributes:
            assert set(found) == {left}
        else:
            assert set(found) == {left, "replaced.txt"}
            with store.open_reader(found["replaced.txt"]) as file:
                assert b"has replaced this" in file.read()
        study.publish(limits=[], picks={"a": first, "b": last}, artifact_store=store)  # and back
        names = {f"trial-{point.trial_number}-net.config" for point in (first, last)}
        assert {meta.filename for meta in get_all_artifact_meta(study)} == names

    @pytest.mark.parametrize("storage", ["sqlite", "journal"], indirect=True)
    def test_the_dashboard_deletes_all_files(
        self, searched: Make, storage: Any, store: FileSystemArtifactStore, tmp_path: Path
    ) -> None:
        from optuna_dashboard.artifact._backend import delete_all_artifacts

        study = searched(storage=storage)
        study.publish(limits=[], picks={"a": study.front()[0]}, artifact_store=store)
        study.publish(limits=[], picks={"b": study.front()[-1]}, artifact_store=store)
        opened = optuna.load_study(study_name="laptop", storage=storage)
        delete_all_artifacts(store, opened._storage, opened._study_id)
        assert list((tmp_path / "files").iterdir()) == []

    def test_a_supernet_needs_a_store(self, searched: Make) -> None:
        with pytest.raises(InvalidArgumentError, match="`artifact_store` must be given with a"):
            searched().publish(supernet=load_supernet("ofa_mbv3_w1.0"))


class TestWhileSearching:
    def test_callbacks_are_called_after_each_generation(self, searched: Make) -> None:
        study = searched(0)
        seen: list[int] = []
        study.search(60, callbacks=[lambda s, _: seen.append(len(s.trials))])
        assert seen == sorted(seen)
        assert seen[-1] == 60

    @pytest.mark.parametrize("every", [1, 150])
    def test_every_so_many_trials(
        self, searched: Make, monkeypatch: pytest.MonkeyPatch, every: int
    ) -> None:
        study = searched(0)
        published: list[int] = []
        monkeypatch.setattr(
            _publish, "_publish", lambda *_, **options: published.append(len(study.trials))
        )
        ends: list[int] = []
        callbacks = [PublishEvery(every, limits=[12]), lambda s, _: ends.append(len(s.trials))]
        study.search(600, callbacks=callbacks)
        ends = list(dict.fromkeys(ends))
        assert set(published) <= set(ends)
        if every == 1:
            assert published == ends  # once a generation
        else:
            assert len(published) in (3, 4)
            assert min(np.diff(published)) >= every

    def test_with_a_custom_objective(self, searched: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        study = searched(0)
        published: list[int] = []
        monkeypatch.setattr(
            _publish, "_publish", lambda *_, **options: published.append(len(study.trials))
        )
        study.optimize(study.problem, n_trials=7, callbacks=[PublishEvery(3)])
        assert published == [3, 6]

    def test_a_study_without_a_front_is_passed_over(self, searched: Make) -> None:
        study = searched(0)
        trial = optuna.trial.create_trial(state=optuna.trial.TrialState.FAIL)
        trial.number = 0
        PublishEvery(1)(study, trial)
        assert drawn(study) == {}
        study.search(60, callbacks=[PublishEvery(1, limits=[1])])
        assert "none found" in note_of(study)

    def test_numbers_below_one_are_refused(self) -> None:
        with pytest.raises(InvalidArgumentError, match="`n_trials` must be a whole number"):
            PublishEvery(0)


def test_optuna_itself_sees_no_difference(searched: Make, tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path}/study.db"
    study = searched(storage=address)
    before = [(t.values, t.params, t.user_attrs, t.system_attrs) for t in study.trials]
    study.publish()
    again = optuna.load_study(study_name="laptop", storage=address)
    assert [(t.values, t.params, t.user_attrs, t.system_attrs) for t in again.trials] == before
