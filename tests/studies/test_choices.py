"""Studies of plain tables of choices: everything that needs no architecture works on them."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

import optuna_ofa
from optuna_ofa import AccuracyPredictor, Metric, SearchSpace, SubnetStudy
from optuna_ofa.data import packaged_supernet
from optuna_ofa.deployment import export
from optuna_ofa.exceptions import InvalidArgumentError, StudyMismatchError
from optuna_ofa.predictors import FunctionPredictor
from optuna_ofa.samplers import EvolutionarySampler, NSGAIISampler, SurrogateSampler
from optuna_ofa.space import subnet_layers
from optuna_ofa.visualization import plot_architecture

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


def test_a_search_finds_the_whole_front() -> None:
    study = optuna_ofa.study(SPACE, objectives=metrics(), seed=0)
    study.search(SPACE.n_subnets)
    assert points(study) == true_front()
    assert {(gain(p.subnet), price(p.subnet)) for p in study.front()} == true_front()
    assert len({str(t.params) for t in study.trials}) == SPACE.n_subnets


@pytest.mark.parametrize("parameters", ["all", "front"])
@pytest.mark.parametrize("keep", ["all", "front", "sample"])
def test_a_search_in_parts_is_the_same_search(tmp_path: Path, keep: Any, parameters: Any) -> None:
    arguments = {"keep": keep, "parameters": parameters}
    found = []
    for parts in ([300], [100, 50, 150]):
        url = f"sqlite:///{tmp_path / f'{len(parts)}.db'}"
        optuna_ofa.study(SPACE, objectives=metrics(), seed=3, storage=url, study_name="s")
        for n_trials in parts:
            study = optuna_ofa.load_study("s", url, predictors=metrics(), seed=3, **arguments)
            study.search(n_trials)
        found.append([(t.params, t.values) for t in study.trials])
    assert found[0] == found[1]
    assert all(params for params, _ in found[0])


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


def test_a_restricted_space_is_restored(sqlite: str) -> None:
    url = sqlite
    some = SPACE.restrict(parameters={"op": ["pool"], "layers": [2, 5]})
    optuna_ofa.study(some, objectives=metrics(some), seed=0, storage=url).search(50)
    assert optuna_ofa.load_study(storage=url).space == some


def test_another_table_is_another_problem(sqlite: str) -> None:
    url = sqlite
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


def test_measurements_are_learnt_and_tables_are_written(tmp_path: Path, sqlite: str) -> None:
    url = sqlite
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


@pytest.mark.parametrize("name", ["AccuracyPredictor", "export", "drawing", "macs"])
def test_what_needs_an_architecture_says_why(name: str, tmp_path: Path) -> None:
    one, net = SPACE.smallest(), packaged_supernet()
    calls = {
        "AccuracyPredictor": lambda: AccuracyPredictor.fit(SPACE, [one] * 3, [1, 2, 3]),
        "export": lambda: export(net, one, tmp_path / "one.onnx", format="onnx", calibration=None),
        "drawing": lambda: plot_architecture({"one": one}),
        "macs": lambda: subnet_layers(one),
    }
    with pytest.raises(
        InvalidArgumentError, match="a plain table of choices, which has no architecture"
    ):
        calls[name]()


def test_a_bound_says_why_there_is_none() -> None:
    study = optuna_ofa.study(SPACE, objectives=metrics())
    with pytest.raises(InvalidArgumentError, match="its space is a plain table of choices"):
        study.bound()


def test_a_report_and_notes_are_about_configurations(tmp_path: Path) -> None:
    study = optuna_ofa.study(SPACE, objectives=metrics(), seed=0, study_name="s")
    study.search(150)
    page = study.report(tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<h1>Configurations found by s</h1>" in page
    assert "tail=a &lt;b&gt;" in page
    assert "toy &amp; table, 6 parameters, 704 configurations" in page
    assert not re.search(r"[Ss]ubnets|[Ss]upernet|<h2>What the picks look like", page)
    figures = study.publish().figures
    assert figures[:2] == ("front", "choices")
    attributes = study.store.storage.get_study_system_attrs(study._study_id)
    notes = [v for k, v in attributes.items() if "note" in k and isinstance(v, str)]
    assert any("| &nbsp;Parameter&nbsp; | &nbsp;Value&nbsp; |" in note for note in notes)


def test_trials_without_parameters_are_read_by_their_configurations(sqlite: str) -> None:
    study = optuna_ofa.study(
        SPACE, objectives=metrics(), seed=0, storage=sqlite, parameters="front", study_name="s"
    )
    study.search(100)
    loaded = optuna_ofa.load_study("s", sqlite, predictors=metrics(), parameters="front")
    assert [t.params for t in loaded.trials] == [t.params for t in study.trials]
    loaded.search(100)
    assert len({str(t.params) for t in loaded.trials}) == 200


def test_configurations_are_enqueued_and_others_are_refused() -> None:
    study = optuna_ofa.study(SPACE, objectives=[Metric("gain", direction="maximize")], learn=True)
    one = SPACE.from_params([{**dict(SPACE.largest()), "op": "pool", "kernel": 5, "se": False}])
    (one,) = SPACE.from_matrix(one)
    study.enqueue_trial(dict(one))
    study.enqueue_trial({"op": "skip"})
    study.optimize(lambda trial: gain(SPACE.suggest(trial)), n_trials=2)
    found = [SPACE.from_matrix(SPACE.from_params([t.params]))[0] for t in study.trials]
    assert found[0] == one
    assert found[1]["op"] == "skip"
    for wrong in ({"op": "dense"}, {"se": 1}, {"width": "1.0"}, {"layers": True}, {"op": ["conv"]}):
        with pytest.raises(InvalidArgumentError, match=r"`params\['[a-z]+'\]` must be one of"):
            study.enqueue_trial(wrong)


def test_accuracy_and_latency_may_be_functions_of_a_configuration(tmp_path: Path) -> None:
    study = optuna_ofa.study(
        SPACE, accuracy=lambda one: 50 + gain(one), hardware=lambda one: price(one), seed=0
    )
    study.search(100)
    assert study.report(tmp_path / "page.html").is_file()
    assert study.publish().figures[0] == "front"
    measured = study.verify({"latency_ms": lambda one: 2 * price(one)}, points=3)
    assert [p.error("latency_ms") for p in measured.points] == [
        p.predicted["latency_ms"] for p in measured.points
    ]


def test_three_objectives_of_a_fleet() -> None:
    third = Metric("n_layers", direction="minimize", predictor=lambda one: float(one["layers"]))
    found = optuna_ofa.fleet(
        SPACE, hardware={"a": "x", "b": "y"}, objectives=[*metrics(), third], seed=0
    )
    found.search(100)
    assert all(len(study.front()) > 10 for study in found.values())
