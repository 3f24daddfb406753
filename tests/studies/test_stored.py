"""Studies that are opened by their name alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import pytest

import optuna_ofa
from optuna_ofa import SearchSpace
from optuna_ofa.costs import LayerSum
from optuna_ofa.exceptions import InvalidArgumentError, StudyMismatchError
from optuna_ofa.predictors import (
    AccuracyPredictor,
    CostPredictor,
    Entry,
    LatencyTable,
    NetworkLatencyPredictor,
)
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
    again = optuna_ofa.study(storage=url, study_name="mine")
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
    again = optuna_ofa.study(storage=url, study_name="mine")
    assert [p.values for p in again.front()] == [p.values for p in first.front()]
    assert again.report(tmp_path / "report.html").is_file()
    with pytest.raises(InvalidArgumentError, match="`accuracy` must be given to predict top1"):
        again.search(10)
    optuna_ofa.study(storage=url, study_name="mine", **given).search(10)


def test_a_file_that_is_another_now_is_refused(url: str, files: dict[str, Path]) -> None:
    optuna_ofa.study(OWN, **files, storage=url, study_name="mine")
    matrix = SPACE.sample(40, seed=0)
    AccuracyPredictor.fit(SPACE, matrix, np.linspace(10, 90, 40), model="ridge").save(
        files["accuracy"]
    )
    with pytest.raises(StudyMismatchError, match="has predictions"):
        optuna_ofa.study(storage=url, study_name="mine")


def test_another_table_of_the_family_is_refused(url: str) -> None:
    costs = {"objectives": ("n_macs", "n_params"), "storage": url, "study_name": "mine"}
    optuna_ofa.study(mobilenet_v3_small_images("mine", n_classes=5), **costs)
    with pytest.raises(StudyMismatchError, match="n_classes of the head: 5 in the study, 10 in"):
        optuna_ofa.study(mobilenet_v3_small_images("mine"), **costs, load_if_exists=True)


def test_a_file_of_a_family_is_a_space(tmp_path: Path) -> None:
    OWN.save(tmp_path / "mine.json")
    study = optuna_ofa.study(tmp_path / "mine.json", objectives=("n_macs", "n_params"))
    assert study.space == SPACE


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"study_name": "other"}, "`study_name` must be one of mine where .* got 'other'"),
        ({}, "`study_name` must be one of mine where .* got None"),
        ({"study_name": "mine", "objectives": ["top1"]}, "`objectives` must be left out where"),
        ({"study_name": "mine", "caution": 1.0}, "`caution` must be left out where"),
    ],
    ids=["name", "no-name", "objectives", "caution"],
)
def test_what_does_not_go_with_a_stored_study(
    url: str, arguments: dict[str, object], message: str
) -> None:
    optuna_ofa.study(OWN, objectives=("n_macs", "n_params"), storage=url, study_name="mine")
    with pytest.raises(InvalidArgumentError, match=message):
        optuna_ofa.study(storage=url, **arguments)


def test_a_study_of_optuna_is_refused(url: str) -> None:
    optuna.create_study(storage=url, study_name="plain")
    with pytest.raises(StudyMismatchError, match="optuna_ofa made, but 'plain' was not"):
        optuna_ofa.study(storage=url, study_name="plain")


def test_a_predictor_of_measured_subnets_is_hardware_by_its_file(url: str, tmp_path: Path) -> None:
    matrix = SPACE.sample(12, seed=0)
    fitted = NetworkLatencyPredictor.fit(SPACE, matrix, np.linspace(1, 2, 12))
    fitted.save(tmp_path / "latency.json")
    first = optuna_ofa.study(
        OWN,
        hardware=tmp_path / "latency.json",
        objectives=("latency_ms", "n_macs"),
        storage=url,
        study_name="mine",
    )
    first.search(20)
    again = optuna_ofa.study(storage=url, study_name="mine")
    assert isinstance(again.problem.predictors["latency_ms"], NetworkLatencyPredictor)


def test_other_aliases_are_the_same_family(url: str) -> None:
    costs = {"objectives": ("n_macs", "n_params"), "storage": url, "study_name": "mine"}
    optuna_ofa.study(OWN, **costs)
    other = replace(OWN, aliases=("yours",))
    assert optuna_ofa.study(other, **costs, load_if_exists=True).space.family == OWN
