"""The folders that go to the OptunaHub registry: loaded as it loads them, and complete."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType
from typing import Any

import optuna
import pytest
import yaml

import optuna_ofa
from optuna_ofa.problem import constraints_of
from optuna_ofa.samplers import EvolutionarySampler

optunahub = pytest.importorskip("optunahub", reason="optunahub is not installed")

ROOT = Path(__file__).resolve().parents[1]
REGISTRY = ROOT / "examples" / "optunahub" / "package"
PACKAGES = ("samplers/ofa_nsgaii", "benchmarks/ofa_subnets")
FRONT_MATTER = ("author", "title", "description", "tags", "optuna_versions", "license")
# What the templates of the registry ask for.
HEADINGS = ("Abstract", "APIs", "Installation", "Example")


pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


@pytest.fixture(autouse=True)
def _local(monkeypatch: pytest.MonkeyPatch, quiet_optuna: None) -> None:
    """`load_module`, which asks the network, loads from here, as after a merge."""
    monkeypatch.setattr(optunahub, "load_module", _load)


def _load(package: str) -> ModuleType:
    module: ModuleType = optunahub.load_local_module(package, registry_root=str(REGISTRY))
    return module


def _readme(package: str) -> tuple[dict[str, Any], str]:
    """Front matter and text."""
    _, matter, text = (REGISTRY / package / "README.md").read_text("utf-8").split("---\n", 2)
    return yaml.safe_load(matter), text


@pytest.mark.parametrize("package", PACKAGES)
def test_front_matter_is_what_the_template_asks_for(package: str) -> None:
    matter, text = _readme(package)
    assert tuple(matter) == FRONT_MATTER
    assert {"samplers": "sampler", "benchmarks": "benchmark"}[package.split("/")[0]] in matter[
        "tags"
    ]
    assert matter["optuna_versions"] == [optuna.__version__]
    assert matter["license"] == "MIT License"
    assert [h for h in HEADINGS if f"\n## {h}\n" not in text] == []
    assert "Please fill in" not in text


@pytest.mark.parametrize("package", PACKAGES)
def test_the_licence_is_ours(package: str) -> None:
    assert (REGISTRY / package / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("where", ["README.md", "example.py"])
def test_the_example_runs(package: str, where: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = (REGISTRY / package / where).read_text("utf-8")
    if where == "README.md":
        (code,) = re.findall(r"```python\n(.*?)```", code, re.DOTALL)
    namespace: dict[str, Any] = {}
    exec(compile(code, f"{package}/{where}", "exec"), namespace)
    study = namespace["study"]
    assert len(study.trials) >= 100
    assert study.best_trials
    if where == "example.py":
        assert "trials on the front" in capsys.readouterr().out


def test_the_sampler_is_ours() -> None:
    assert _load("samplers/ofa_nsgaii").EvolutionarySampler is EvolutionarySampler


def test_the_problem_has_the_values_of_a_study() -> None:
    problem = _load("benchmarks/ofa_subnets").Problem(constraints={"latency_ms": 12.0})
    study = optuna_ofa.study("ofa_mbv3_w1.0", constraints={"latency_ms": 12.0}, seed=0)
    study.search(n_trials=20)
    assert problem.directions == study.directions
    assert problem.metric_names == ["top1", "latency_ms"]
    assert set(problem.search_space) == set(study.space.distributions)
    for trial in study.trials:
        assert problem.evaluate(trial.params) == pytest.approx(trial.values, rel=1e-9)
        expected = pytest.approx(constraints_of(trial))
        assert problem.evaluate_constraints(trial.params) == expected


def test_constraints_are_set_on_trials() -> None:
    problem = _load("benchmarks/ofa_subnets").Problem(constraints={"latency_ms": 12.0})
    study = optuna.create_study(
        directions=problem.directions, sampler=optuna.samplers.RandomSampler(seed=0)
    )
    study.optimize(problem, n_trials=10)
    for trial in study.trials:
        assert trial.constraints == {"latency_ms": pytest.approx(trial.values[1] - 12.0)}


def test_our_sampler_searches_the_problem() -> None:
    problem = _load("benchmarks/ofa_subnets").Problem()
    hub = _load("samplers/ofa_nsgaii")
    space = hub.SearchSpace("ofa_mbv3_w1.0")
    assert problem.search_space == space.distributions
    study = optuna.create_study(
        directions=problem.directions, sampler=hub.EvolutionarySampler(space, seed=0)
    )
    study.optimize(problem, n_trials=60)
    rows = space.from_params([t.params for t in study.trials])
    assert len({tuple(row) for row in rows.tolist()}) == 60
