"""Studies that are opened by their name alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

import optuna_ofa
from optuna_ofa import SearchSpace, SubnetStudy
from optuna_ofa.commands import main
from optuna_ofa.costs import LayerSum
from optuna_ofa.exceptions import InvalidArgumentError, OptunaOFAError, StudyMismatchError
from optuna_ofa.predictors import (
    AccuracyPredictor,
    CostPredictor,
    Entry,
    LatencyTable,
    NetworkLatencyPredictor,
)
from optuna_ofa.samplers import EvolutionarySampler, SurrogateSampler
from optuna_ofa.space import Layer, mobilenet_v3_small_images

OWN = mobilenet_v3_small_images("mine", width=0.5)
SPACE = SearchSpace(OWN)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/a.db"


@pytest.fixture(scope="module")
def accuracy() -> AccuracyPredictor:
    matrix = SPACE.sample(40, seed=0)
    top1 = 50 + 20 * np.log10(CostPredictor("n_macs", SPACE).predict(matrix) / 1e6)
    return AccuracyPredictor.fit(SPACE, matrix, top1, model="ridge")


@pytest.fixture(scope="module")
def table() -> LatencyTable:
    layers: dict[Layer, Entry] = {}
    LayerSum(SPACE, lambda layer, _: float(layers.setdefault(layer, Entry(0.1)).mean_ms))
    return LatencyTable.from_measurements(family=OWN, resolutions=OWN.resolutions, latencies=layers)


@pytest.fixture
def files(
    tmp_path: Path, accuracy: AccuracyPredictor, table: LatencyTable
) -> Iterator[dict[str, Path]]:
    found = {"accuracy": tmp_path / "accuracy.json", "hardware": tmp_path / "table.json"}
    accuracy.save(found["accuracy"])
    table.save(found["hardware"])
    return found


def test_the_name_is_enough(url: str, files: dict[str, Path]) -> None:
    first = optuna_ofa.study(
        SPACE.restrict(kernel=3),
        **files,
        constraints={"latency_ms": 1.5},
        caution=1.0,
        storage=url,
        study_name="mine",
    )
    first.search(60)
    again = optuna_ofa.load_study("mine", url)
    assert again.space == first.space
    assert again.problem.describe() == first.problem.describe()
    assert [p.values for p in again.front()] == [p.values for p in first.front()]
    again.search(20)
    assert len(again.trials) == 80


def test_a_study_is_read_without_predictors_but_not_searched(
    url: str, accuracy: AccuracyPredictor, table: LatencyTable, tmp_path: Path
) -> None:
    given = {"accuracy": accuracy, "hardware": table}
    first = optuna_ofa.study(OWN, **given, storage=url, study_name="mine")
    first.search(60)
    again = optuna_ofa.load_study("mine", url)
    assert [p.values for p in again.front()] == [p.values for p in first.front()]
    assert again.report(tmp_path / "report.html").is_file()
    with pytest.raises(InvalidArgumentError, match="`accuracy` must be given to predict top1"):
        again.search(10)
    optuna_ofa.load_study("mine", url, **given).search(10)


def test_a_file_that_is_another_now_predicts_nothing(url: str, files: dict[str, Path]) -> None:
    optuna_ofa.study(OWN, **files, storage=url, study_name="mine").search(20)
    matrix = SPACE.sample(40, seed=0)
    AccuracyPredictor.fit(SPACE, matrix, np.linspace(10, 90, 40), model="ridge").save(
        files["accuracy"]
    )
    again = optuna_ofa.load_study("mine", url)
    assert len(again.front()) > 0
    with pytest.raises(InvalidArgumentError, match=r"`accuracy` must .*accuracy.json' has changed"):
        again.search(10)
    with pytest.raises(StudyMismatchError, match="`accuracy` must be what the study was searched"):
        optuna_ofa.load_study("mine", url, accuracy=files["accuracy"])


def test_another_table_of_the_family_is_refused(url: str) -> None:
    costs = {"objectives": ("n_macs", "n_params"), "storage": url, "study_name": "mine"}
    optuna_ofa.study(mobilenet_v3_small_images("mine", n_classes=5), **costs)
    with pytest.raises(StudyMismatchError, match="n_classes of the head: 5 in the study, 10 in"):
        optuna_ofa.study(mobilenet_v3_small_images("mine"), **costs, load_if_exists=True)


def test_a_file_of_a_family_is_a_space(tmp_path: Path) -> None:
    OWN.save(tmp_path / "mine.json")
    study = optuna_ofa.study(tmp_path / "mine.json", objectives=("n_macs", "n_params"))
    assert study.space == SPACE


class TestName:
    """Which study of a storage is opened."""

    COSTS = ("n_macs", "n_params")

    def test_the_only_one_needs_no_name(self, url: str) -> None:
        optuna_ofa.study(OWN, objectives=self.COSTS, storage=url, study_name="mine")
        assert optuna_ofa.load_study(storage=url).study_name == "mine"
        store = optuna.storages.RDBStorage(url)
        assert optuna_ofa.load_study(None, store).study_name == "mine"

    def test_studies_of_others_do_not_count(self, url: str) -> None:
        optuna.create_study(storage=url, study_name="plain")
        optuna_ofa.study(OWN, objectives=self.COSTS, storage=url, study_name="mine")
        assert optuna_ofa.load_study(storage=url).study_name == "mine"

    def test_of_several_one_has_to_be_named(self, url: str) -> None:
        for name in "ab":
            optuna_ofa.study(OWN, objectives=self.COSTS, storage=url, study_name=name)
        with pytest.raises(
            InvalidArgumentError, match=r"`study_name` must be given.* several: a, b"
        ):
            optuna_ofa.load_study(storage=url)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"study_name": "mne"}, "`study_name` must be one of mine, but got 'mne'; did you"),
            ({"study_name": ""}, "`study_name` must be a non-empty string"),
            ({"seed": -1}, "`seed` must be a whole number from 0"),
            ({"hardware": 3}, "`hardware` must be"),
            ({"accuracy": 3}, "`accuracy` must be"),
            ({"keep": "some"}, "`keep` must be"),
        ],
        ids=["name", "no-name", "seed", "hardware", "accuracy", "keep"],
    )
    def test_wrong_arguments(self, url: str, arguments: dict[str, Any], message: str) -> None:
        optuna_ofa.study(OWN, objectives=self.COSTS, storage=url, study_name="mine")
        with pytest.raises(InvalidArgumentError, match=message):
            optuna_ofa.load_study(storage=url, **arguments)

    def test_nothing_is_made(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidArgumentError, match="`storage` must be"):
            optuna_ofa.load_study("mine", f"sqlite:///{tmp_path}/none.db")
        assert list(tmp_path.iterdir()) == []

    def test_a_storage_is_required(self) -> None:
        with pytest.raises(
            InvalidArgumentError, match=r"`storage` must be an existing .* got None"
        ):
            optuna_ofa.load_study("mine")

    def test_a_storage_without_studies(self) -> None:
        with pytest.raises(InvalidArgumentError, match="`storage` must have a study, but"):
            optuna_ofa.load_study("mine", optuna.storages.InMemoryStorage())


class TestWithoutItsPredictors:
    """A study that was searched with predictors that are in no file."""

    @pytest.fixture
    def given(self, accuracy: AccuracyPredictor) -> dict[str, Any]:
        """An accuracy predictor, and latencies fitted to whole networks, in memory."""
        matrix = SPACE.sample(12, seed=0)
        latency = NetworkLatencyPredictor.fit(SPACE, matrix, matrix.sum(axis=1) / 100)
        return {"accuracy": accuracy, "hardware": latency}

    @pytest.fixture
    def study(self, url: str, given: dict[str, Any]) -> SubnetStudy:
        study = optuna_ofa.study(
            OWN, **given, constraints={"n_macs": 1e9}, storage=url, study_name="mine", seed=0
        )
        study.search(60)
        study.tell_batch(study.ask_batch(2), [(60.0, 1.2), (65.0, 1.8)])
        return optuna_ofa.load_study("mine", url)

    def test_everything_that_shows_what_was_found(
        self, study: SubnetStudy, url: str, tmp_path: Path
    ) -> None:
        for kind in ("predicted", "measured"):
            assert len(study.front(kind=kind)) > 0
            assert len(study.results(kind=kind).numbers) > 0
        front = study.front(kind="predicted")
        front.to_csv(tmp_path / "front.csv")
        assert "60 predicted trials" in study._repr_html_()
        assert study.plot_front().data
        assert study.report(tmp_path / "report.html", limits=[5]).is_file()
        study.publish(limits=[5])
        assert study.generations() == []
        assert len(study.seconds([0, 1])) == 2

    @pytest.mark.parametrize("command", ["front", "report"])
    def test_commands(self, study: SubnetStudy, url: str, tmp_path: Path, command: str) -> None:
        options = {"front": [], "report": [str(tmp_path / "a.html")]}[command]
        assert main([command, "--storage", url, *options]) == 0

    @pytest.mark.parametrize(
        "predict",
        [
            lambda study: study.search(10),
            lambda study: study.search(until=100),
            lambda study: study.ask_batch(1),
            lambda study: study.verify({"top1": lambda subnet: 60.0}),
        ],
        ids=["search", "until", "ask_batch", "verify"],
    )
    def test_what_predicts_says_what_is_missing(
        self, study: SubnetStudy, predict: Callable[[SubnetStudy], Any]
    ) -> None:
        with pytest.raises(OptunaOFAError, match=r"`(accuracy|hardware)` must be given to predict"):
            predict(study)
        assert len(study.trials) == 62

    def test_what_is_missing_can_be_given(
        self, study: SubnetStudy, url: str, given: dict[str, Any]
    ) -> None:
        again = optuna_ofa.load_study("mine", url, **given)
        again.search(until=80)
        assert len(again.trials) == 80
        half = optuna_ofa.load_study("mine", url, accuracy=given["accuracy"])
        with pytest.raises(OptunaOFAError, match="`hardware` must be given to predict latency_ms"):
            half.search(10)

    def test_another_predictor_is_refused(self, study: SubnetStudy, url: str) -> None:
        matrix = SPACE.sample(12, seed=0)
        other = NetworkLatencyPredictor.fit(SPACE, matrix, np.linspace(3, 9, 12))
        with pytest.raises(StudyMismatchError, match="`hardware` must be what the study was sear"):
            optuna_ofa.load_study("mine", url, hardware=other)

    def test_files_of_both_are_remembered(
        self, study: SubnetStudy, url: str, given: dict[str, Any], tmp_path: Path
    ) -> None:
        for name, predictor in given.items():
            predictor.save(tmp_path / f"{name}.json")
            optuna_ofa.load_study("mine", url, **{name: tmp_path / f"{name}.json"})
        optuna_ofa.load_study("mine", url).search(until=70)

    def test_a_file_that_is_gone_is_named(
        self, study: SubnetStudy, url: str, given: dict[str, Any], tmp_path: Path
    ) -> None:
        given["hardware"].save(tmp_path / "phone.json")
        optuna_ofa.load_study("mine", url, hardware=tmp_path / "phone.json")
        (tmp_path / "phone.json").unlink()
        again = optuna_ofa.load_study("mine", url, accuracy=given["accuracy"])
        with pytest.raises(
            OptunaOFAError, match=r"`hardware` must .*phone.json' can no longer be read"
        ):
            again.search(10)


def test_a_family_with_packaged_predictors_is_opened_too(url: str) -> None:
    family = optuna_ofa.get_family("ofa_mbv3_w1.0")
    space = SearchSpace(family)
    matrix = space.sample(30, seed=0)
    fitted = AccuracyPredictor.fit(space, matrix, np.linspace(60, 70, 30), model="ridge")
    latency = NetworkLatencyPredictor.fit(space, matrix, np.linspace(5, 9, 30))
    optuna_ofa.study(space, accuracy=fitted, hardware=latency, storage=url).search(20)
    again = optuna_ofa.load_study(storage=url)
    assert len(again.front()) > 0
    with pytest.raises(OptunaOFAError, match="because the storage does not say where"):
        again.search(10)


class TestLearning:
    @pytest.fixture
    def learning(self, url: str) -> str:
        for name, learn in (("plain", False), ("learning", True)):
            optuna_ofa.study("ofa_mbv3_fashion", storage=url, study_name=name, learn=learn)
        return url

    def test_a_study_that_learns_is_opened_as_one(self, learning: str) -> None:
        opened = optuna_ofa.load_study("learning", learning, seed=1)
        assert isinstance(opened.sampler, SurrogateSampler)
        other = optuna_ofa.load_study("plain", learning)
        assert isinstance(other.sampler, EvolutionarySampler)

    def test_what_is_given_counts(self, learning: str) -> None:
        opened = optuna_ofa.load_study("learning", learning, learn=False)
        assert isinstance(opened.sampler, EvolutionarySampler)
        own = optuna.samplers.RandomSampler()
        assert optuna_ofa.load_study("learning", learning, sampler=own).sampler is own
        opened = optuna_ofa.load_study("plain", learning, learn=True)
        assert isinstance(opened.sampler, SurrogateSampler)
        again = optuna_ofa.load_study("plain", learning)  # as it was created
        assert isinstance(again.sampler, EvolutionarySampler)

    def test_workers_that_create_it_can_learn_later(self, learning: str) -> None:
        optuna_ofa.study(
            "ofa_mbv3_fashion",
            storage=learning,
            study_name="plain",
            learn=True,
            load_if_exists=True,
        )
        assert isinstance(optuna_ofa.load_study("plain", learning).sampler, SurrogateSampler)


def test_a_study_of_optuna_is_refused(url: str) -> None:
    optuna.create_study(storage=url, study_name="plain")
    with pytest.raises(StudyMismatchError, match="created by optuna_ofa, but 'plain' is not"):
        optuna_ofa.load_study("plain", url)


def test_a_predictor_of_measured_subnets_is_hardware_by_its_file(url: str, tmp_path: Path) -> None:
    matrix = SPACE.sample(12, seed=0)
    fitted = NetworkLatencyPredictor.fit(SPACE, matrix, matrix.sum(axis=1) / 100)
    fitted.save(tmp_path / "latency.json")
    first = optuna_ofa.study(
        OWN,
        hardware=tmp_path / "latency.json",
        objectives=("latency_ms", "n_macs"),
        storage=url,
        study_name="mine",
    )
    first.search(20)
    again = optuna_ofa.load_study("mine", url)
    assert isinstance(again.problem.predictors["latency_ms"], NetworkLatencyPredictor)


def test_other_aliases_are_the_same_family(url: str) -> None:
    costs = {"objectives": ("n_macs", "n_params"), "storage": url, "study_name": "mine"}
    optuna_ofa.study(OWN, **costs)
    other = replace(OWN, aliases=("yours",))
    assert optuna_ofa.study(other, **costs, load_if_exists=True).space.family == OWN
