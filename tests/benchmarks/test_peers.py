"""``benchmarks/peers.py``: what it counts, what each search is told, and that it runs."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
# 3 x 2 x 3 rows, of which the middle ones are not listed
ROWS = np.array(
    [(i, j, k) for i in range(3) for j in range(2) for k in range(3) if k != 1], dtype=np.int16
)


@pytest.fixture(scope="module")
def import_benchmark() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        yield importlib.import_module


@pytest.fixture
def listed(import_benchmark: Any) -> Any:
    values = np.stack([80 + ROWS.sum(axis=1) % 5, np.exp(ROWS @ [1.0, 0.5, 0.25])], axis=1)
    choices = {"a": ("x", "y", "z"), "b": (3, 5), "c": (1, 2, 3)}
    return import_benchmark("_listed").Listed(
        choices, ROWS, values.astype(float), ("top1", "ms"), ("maximize", "minimize")
    )


@pytest.fixture
def tape(import_benchmark: Any, listed: Any) -> Any:
    return import_benchmark("_listed_runs").Tape(listed, 10, 0)


class TestVolume:
    def test_shares_are_those_of_moocore(self, import_benchmark: Any, listed: Any) -> None:
        moocore = pytest.importorskip("moocore")
        costs = listed.costs(logarithms=True)
        volume = import_benchmark("_listed").Volume(costs)
        order = np.random.default_rng(0).permutation(len(costs))
        for place in order:
            volume.add(place)
        whole = moocore.hypervolume(costs, ref=volume.reference)
        parts = [
            moocore.hypervolume(costs[order[: n + 1]], ref=volume.reference)
            for n in range(len(costs))
        ]
        assert volume.shares == pytest.approx(100 * np.array(parts) / whole)

    def test_the_reference_is_a_tenth_beyond_the_worst(
        self, import_benchmark: Any, listed: Any
    ) -> None:
        costs = listed.costs(logarithms=True)
        assert costs[:, 0].max() == -80
        assert costs[:, 1].max() == pytest.approx(3.0)
        volume = import_benchmark("_listed").Volume(costs)
        assert volume.reference == pytest.approx([-80 + 0.4, 3.3])

    def test_a_rate_is_better_the_higher_it_is(self, listed: Any) -> None:
        rates = listed._replace(directions=("maximize", "maximize"))
        assert (rates.costs(logarithms=True)[:, 1] == -np.log(listed.values[:, 1])).all()


class TestTape:
    def test_a_listed_network_is_its_own_nearest(self, tape: Any) -> None:
        assert [tape.nearest(row) for row in ROWS] == list(range(len(ROWS)))

    def test_a_measured_one_becomes_its_nearest_that_was_not(self, tape: Any) -> None:
        tape.measure(3)
        assert (ROWS[tape.nearest(ROWS[3])] != ROWS[3]).sum() == 1

    def test_one_that_is_not_listed_becomes_the_nearest(self, tape: Any) -> None:
        row = np.array([1, 0, 1], dtype=np.int16)
        assert (ROWS[tape.nearest(row)] != row).sum() == 1

    def test_it_stops_where_it_has_enough(self, import_benchmark: Any, tape: Any) -> None:
        enough = import_benchmark("_listed_runs").EnoughError
        places = iter(range(len(ROWS)))
        with pytest.raises(enough, match="networks are enough"):
            any(tape.measure(place) is None for place in places)
        assert tape.places == list(range(len(tape.places)))
        assert len(tape.places) <= 10

    def test_goals_are_counted_from_one(self, import_benchmark: Any) -> None:
        reached = import_benchmark("_listed_runs").reached
        assert reached(np.array([10.0, 95.0, 95.0, 99.0])) == [2, 2, 4]
        assert reached(np.array([10.0, 94.0])) == [2, None, None]


@pytest.mark.parametrize(
    ("name", "needs"),
    [
        ("SurrogateSampler", None),
        ("EvolutionarySampler", None),
        ("NSGAIISampler", None),
        ("Optuna TPE", None),
        ("Optuna NSGA-II", None),
        ("Optuna GP", None),
        ("Rustuna NSGA-II", "rustuna"),
        ("pymoo NSGA-II", "pymoo"),
        ("BoTorch qLogNEHVI", "botorch"),
        ("random", None),
    ],
)
def test_a_search_measures_different_listed_networks(
    import_benchmark: Any, tape: Any, name: str, needs: str | None
) -> None:
    if needs is not None:
        pytest.importorskip(needs, reason=f"{needs} is not installed")
    enough = import_benchmark("_listed_runs").EnoughError
    search = import_benchmark("_listed_searches").SEARCHES[name]
    with pytest.raises(enough, match="networks are enough"):
        search.run(tape, 0)
    assert len(set(tape.places)) == len(tape.places) > 0


def test_samplers_of_optuna_are_told_of_the_nearest(import_benchmark: Any, tape: Any) -> None:
    import optuna

    seen: list[dict[str, Any]] = []

    class Fixed(optuna.samplers.RandomSampler):
        def sample_relative(self, study: Any, trial: Any, search_space: Any) -> dict[str, Any]:
            seen[:] = [t.params for t in study.get_trials(deepcopy=False)[:-1]]
            return {"a": "y", "b": 3, "c": 2}

    runs = import_benchmark("_listed_runs")
    run = import_benchmark("_listed_optuna").in_optuna(lambda seed: Fixed())
    with pytest.raises(runs.EnoughError, match="networks are enough"):
        run(tape, 0)
    choices = list(tape.listed.choices.values())
    rows = [[v.index(p) for v, p in zip(choices, params.values(), strict=True)] for params in seen]
    assert [ROWS[place].tolist() for place in tape.places[: len(rows)]] == rows


@pytest.mark.parametrize(("problem", "n"), [("macro", 6_561), ("a100", 3_993), ("zcu102", 3_992)])
def test_the_published_tables(
    import_benchmark: Any, shared_data: Path, problem: str, n: int
) -> None:
    listed = import_benchmark("_listed").PROBLEMS[problem](shared_data)
    assert len(np.unique(listed.matrix, axis=0)) == len(listed.matrix) == n
    assert np.isfinite(listed.values).all()
    sizes = [len(values) for values in listed.choices.values()]
    assert (listed.matrix.max(axis=0) == np.array(sizes) - 1).all()


def test_it_runs_and_prints_again_what_it_has(
    import_benchmark: Any,
    whole_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    benchmark: ModuleType = import_benchmark("peers")
    out = tmp_path / "peers.json"
    command = ["peers.py", "--out", str(out), "--problems", "macro", "--searches", "random"]
    runs = [*command, "--data", str(whole_data), "--seeds", "2"]
    printed = []
    for arguments in (runs, command):
        monkeypatch.setattr(sys, "argv", arguments)
        benchmark.main()
        printed.append(capsys.readouterr().out)
    found = json.loads(out.read_text())
    assert list(found) == ["macro random 0", "macro random 1"]
    first, second = (run["log"][-1] for run in found.values())
    assert "| random | 2 |" in printed[1]
    cell = f"| {(first + second) / 2:.0f} | {min(first, second)}-{max(first, second)} |"
    assert all(cell in text for text in printed)


def test_the_stored_runs_are_of_the_searches(import_benchmark: Any) -> None:
    stored = json.loads((FOLDER / "peers.json").read_text())
    problems = import_benchmark("_listed").PROBLEMS
    searches = import_benchmark("_listed_searches").SEARCHES
    for key, run in stored.items():
        problem, rest = key.split(" ", 1)
        name, seed = rest.rsplit(" ", 1)
        assert problem in problems
        assert int(seed) < searches[name].n_seeds
        assert run["n"] <= searches[name].n_most
