"""Studies of plain tables of choices: everything that needs no architecture works on them."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

import optuna_ofa
from optuna_ofa import Metric, SearchSpace, SubnetStudy
from optuna_ofa.exceptions import InvalidArgumentError, StudyMismatchError
from optuna_ofa.predictors import FunctionPredictor
from optuna_ofa.samplers import EvolutionarySampler, NSGAIISampler, SurrogateSampler

SPACE = SearchSpace.of_choices(
    {
        "op": ["conv", "pool", "skip"],
        "kernel": [3, 5, 7],
        "se": [False, True],
        "width": [0.5, 1.0, 2.0, 4.0],
        "tail": ["a <b>", 'c"'],
        "layers": list(range(1, 9)),
    },
    name="toy & table",
    active={"kernel": ("op", ["conv", "pool"]), "se": ("kernel", [5, 7])},
)


def gain(one: Any) -> float:
    """A quality that is better for larger networks."""
    kernel = one.get("kernel", 0)
    return float(5 * np.log(one["layers"] * one["width"]) + kernel + 3 * one.get("se", False))


def price(one: Any) -> float:
    """A cost."""
    kernel = one.get("kernel", 1)
    return float(one["layers"] * one["width"] * (1 + kernel**2 / 9) + (one["tail"] != "a <b>"))


def metrics(space: SearchSpace = SPACE) -> list[Metric]:
    """Both, with predictors."""
    return [
        Metric(
            "gain",
            direction="maximize",
            predictor=FunctionPredictor("gain", gain, space, takes="subnet"),
        ),
        Metric(
            "price",
            direction="minimize",
            predictor=FunctionPredictor("price", price, space, takes="subnet"),
        ),
    ]


def true_front() -> set[tuple[float, float]]:
    """By enumeration."""
    every = {(gain(one), price(one)) for one in SPACE.from_matrix(SPACE.enumerate())}
    return {
        (g, p)
        for g, p in every
        if not any(a >= g and b <= p and (a, b) != (g, p) for a, b in every)
    }


def points(study: SubnetStudy) -> set[tuple[float, float]]:
    """The values on a front."""
    return {(p.values["gain"], p.values["price"]) for p in study.front()}


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A database."""
    return f"sqlite:///{tmp_path / 'study.db'}"


def test_a_search_finds_the_whole_front(url: str) -> None:
    study = optuna_ofa.study(SPACE, objectives=metrics(), seed=0, storage=url)
    study.search(SPACE.n_subnets)
    assert points(study) == true_front()
    assert {(gain(p.subnet), price(p.subnet)) for p in study.front()} == true_front()
    assert len({str(t.params) for t in study.trials}) == SPACE.n_subnets


@pytest.mark.parametrize("keep", ["all", "front", "sample"])
def test_a_search_in_parts_is_the_same_search(tmp_path: Path, keep: Any) -> None:
    found = []
    for parts in ([300], [100, 50, 150]):
        url = f"sqlite:///{tmp_path / f'{len(parts)}.db'}"
        optuna_ofa.study(SPACE, objectives=metrics(), seed=3, storage=url, study_name="s")
        for n_trials in parts:
            study = optuna_ofa.load_study("s", url, predictors=metrics(), seed=3, keep=keep)
            study.search(n_trials)
        found.append([(t.params, t.values) for t in study.trials])
    assert found[0] == found[1]


def test_constraints_hold_on_the_front() -> None:
    study = optuna_ofa.study(SPACE, objectives=metrics(), constraints={"price": 9.5}, seed=0)
    study.search(400)
    assert points(study) == {(g, p) for g, p in true_front() if p <= 9.5}


def test_a_study_is_loaded_by_its_name(url: str) -> None:
    study = optuna_ofa.study(SPACE, objectives=metrics(), seed=0, storage=url, study_name="s")
    study.search(100)
    loaded = optuna_ofa.load_study("s", url)
    assert loaded.space == SPACE
    assert points(loaded) == points(study)
    assert [p.subnet for p in loaded.front()] == [p.subnet for p in study.front()]
    with pytest.raises(InvalidArgumentError, match="`predictors` must have the Metric 'gain'"):
        loaded.search(200)


def test_a_restricted_space_is_restored(url: str) -> None:
    some = SPACE.restrict(parameters={"op": ["pool"], "layers": [2, 5]})
    optuna_ofa.study(some, objectives=metrics(some), seed=0, storage=url).search(50)
    assert optuna_ofa.load_study(storage=url).space == some


def test_another_table_is_another_problem(url: str) -> None:
    optuna_ofa.study(SPACE, objectives=metrics(), storage=url, study_name="s")
    other = SearchSpace.of_choices({"op": ["conv"], "layers": [1, 2]}, name=SPACE.name)
    own = [Metric(of.name, direction=of.direction) for of in metrics()]
    with pytest.raises(StudyMismatchError, match="is of another: parameters: "):
        optuna_ofa.study(other, objectives=own, storage=url, study_name="s", load_if_exists=True)


@pytest.mark.parametrize(
    "sampler",
    [
        EvolutionarySampler(SPACE, seed=0),
        NSGAIISampler(SPACE, population_size=20, seed=0),
        SurrogateSampler(SPACE, n_startup_trials=10, n_searched=200, seed=0),
    ],
    ids=lambda of: type(of).__name__,
)
def test_samplers_work_in_a_study_of_optuna(sampler: Any) -> None:
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        one = SPACE.suggest(trial)
        return gain(one), price(one)

    study.optimize(objective, n_trials=30)
    rows = SPACE.from_params([t.params for t in study.trials])
    assert len(np.unique(rows, axis=0)) == 30


def test_measurements_are_learnt_and_tables_are_written(tmp_path: Path, url: str) -> None:
    own = [Metric(of.name, direction=of.direction) for of in metrics()]
    study = optuna_ofa.study(SPACE, objectives=own, learn=True, seed=0, storage=url)
    for _ in range(4):
        asked = study.ask_batch(15)
        study.tell_batch(asked, [(gain(a.subnet), price(a.subnet)) for a in asked])
    front = study.front()
    assert front.kind == "measured"
    front.to_csv(tmp_path / "front.csv")
    with (tmp_path / "front.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["subnet"] for row in rows] == [str(p.subnet) for p in front]
    assert front._repr_html_().count("toy &amp; table@op=") == min(len(front), 10)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({}, "`accuracy` must be a predictor or a function on the plain table"),
        ({"objectives": ["latency_ms"]}, "`hardware` must be a predictor or a function on"),
        ({"objectives": ["n_macs"]}, "`space` must have an architecture for this"),
    ],
    ids=["default", "latency", "macs"],
)
def test_objectives_that_need_an_architecture_are_refused(arguments: Any, match: str) -> None:
    with pytest.raises(InvalidArgumentError, match=match):
        optuna_ofa.study(SPACE, **arguments)
