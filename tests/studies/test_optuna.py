"""A study of ours is one of Optuna's, and a problem of ours is an objective for any sampler."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from optuna_ofa import SearchSpace, Subnet, SubnetStudy
from optuna_ofa.problem import METRICS

Make = Callable[..., SubnetStudy]


@pytest.fixture
def study(make_study: Make) -> SubnetStudy:
    study = make_study(constraints={"latency_ms": 40.0})
    study.search(150)
    return study


def test_it_is_an_optuna_study(study: SubnetStudy) -> None:
    assert isinstance(study, optuna.Study)


@pytest.mark.parametrize(
    ("objectives", "directions"),
    [
        (["top1", "latency_ms"], ["MAXIMIZE", "MINIMIZE"]),
        (["latency_ms", "top1"], ["MINIMIZE", "MAXIMIZE"]),
        (["top1", "n_macs", "n_params"], ["MAXIMIZE", "MINIMIZE", "MINIMIZE"]),
        (["top1"], ["MAXIMIZE"]),
    ],
    ids="-".join,
)
def test_directions_and_metric_names_follow_the_objectives(
    make_study: Make, sqlite: str, objectives: list[str], directions: list[str]
) -> None:
    make_study(objectives=objectives, storage=sqlite, study_name="a").search(5)
    loaded = optuna.load_study(study_name="a", storage=sqlite)
    assert [d.name for d in loaded.directions] == directions
    assert loaded.metric_names == objectives
    assert len(loaded.trials) == 5


def test_best_trials_are_the_front(study: SubnetStudy) -> None:
    best = {t.number for t in study.best_trials}
    assert best == {p.trial_number for p in study.front()}


def test_parameters_have_readable_names(study: SubnetStudy) -> None:
    params = study.trials[0].params
    assert {"resolution", "stage2.depth", "stage2.block1.kernel", "stage5.block4.expand"} <= {
        *params
    }
    assert len(params) == len(study.space.genes)


def test_constraints_are_those_of_optuna(study: SubnetStudy) -> None:
    for trial in study.trials:
        excess = trial.values[1] - 40.0
        # "0" is what Optuna Dashboard reads; see `optuna_ofa/problem/_constraints.py`
        assert trial.constraints == {"latency_ms": excess, "0": max(excess, 0.0)}


def test_trials_dataframe(study: SubnetStudy) -> None:
    pytest.importorskip("pandas")
    frame = study.trials_dataframe()
    assert len(frame) == 150
    assert {"values_top1", "values_latency_ms", "params_stage2.depth"} <= set(frame.columns)


def test_optunas_own_pareto_front_plot(study: SubnetStudy) -> None:
    figure = optuna.visualization.plot_pareto_front(study)
    assert "top1" in figure.layout.xaxis.title.text
    assert sum(len(trace.x) for trace in figure.data) == 150


def own_objective(study: SubnetStudy) -> Callable[[optuna.Trial], tuple[float, float]]:
    """What a user would write to measure subnets on a device."""

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        subnet = study.space.suggest(trial)
        return 70.0 + sum(subnet.depth), 20.0 + trial.number

    return objective


def test_optimize_with_an_objective_and_callbacks(make_study: Make) -> None:
    study = make_study()
    seen: list[int] = []

    def callback(study: optuna.Study, trial: FrozenTrial) -> None:
        seen.append(trial.number)
        if len(seen) == 7:
            study.stop()

    study.optimize(own_objective(study), n_trials=20, callbacks=[callback])
    assert seen == list(range(7))
    assert len(study.trials) == 7


def test_trials_of_an_objective_are_measured(make_study: Make) -> None:
    study = make_study()
    study.optimize(own_objective(study), n_trials=10)
    assert {p.kind for p in study.front()} == {"measured"}
    assert study.front()[0].values["latency_ms"] == 20.0


def test_optimize_goes_on_from_a_search(study: SubnetStudy) -> None:
    study.optimize(own_objective(study), n_trials=10)
    rows = study.space.from_params([t.params for t in study.trials])
    assert len({row.tobytes() for row in rows}) == 160


def test_optimize_in_threads(make_study: Make) -> None:
    study = make_study()
    study.optimize(own_objective(study), n_trials=20, n_jobs=2)
    assert [t.state for t in study.trials] == [TrialState.COMPLETE] * 20


@pytest.mark.parametrize("storage", ["memory", "sqlite"])
def test_enqueued_trials_are_run_first_by_search(
    make_study: Make, sqlite: str, storage: str
) -> None:
    study = make_study(storage=sqlite if storage == "sqlite" else None)
    study.search(20)
    row = study.space.sample(1, seed=3)
    study.enqueue_trial(study.space.to_params(row)[0])
    study.search(10)
    assert len(study.trials) == 30
    trial = study.trials[20]
    assert trial.state == TrialState.COMPLETE
    assert Subnet.from_dict(trial.user_attrs["subnet"]) == study.space.from_matrix(row)[0]
    assert trial.values == pytest.approx(study.problem.evaluate(row).values[0].tolist())


def test_an_enqueued_subnet_is_not_repeated(make_study: Make, small_space: SearchSpace) -> None:
    study = make_study(small_space)
    study.enqueue_trial(small_space.to_params(small_space.sample(1, seed=3))[0])
    study.search(1000)
    assert len(study.trials) == 243


def test_more_enqueued_than_asked_for_waits(make_study: Make) -> None:
    study = make_study()
    for params in study.space.to_params(study.space.sample(3, seed=3)):
        study.enqueue_trial(params)
    study.search(2)
    states = [t.state for t in study.trials]
    assert states == [TrialState.COMPLETE, TrialState.COMPLETE, TrialState.WAITING]


def test_an_enqueued_trial_may_fix_some_parameters_only(make_study: Make) -> None:
    study = make_study()
    study.enqueue_trial({"stage2.depth": 4})
    study.search(5)
    assert study.trials[0].params["stage2.depth"] == 4
    assert len(study.trials) == 5


def test_ask_and_tell(make_study: Make) -> None:
    study = make_study()
    trial = study.ask()
    subnet = study.space.suggest(trial)
    study.tell(trial, [70.0, 20.0])
    assert [p.subnet for p in study.front()] == [subnet]


@pytest.mark.parametrize(
    "sampler",
    [
        pytest.param(lambda: optuna.samplers.RandomSampler(seed=0), id="random"),
        pytest.param(lambda: optuna.samplers.TPESampler(seed=0, n_startup_trials=5), id="tpe"),
        pytest.param(lambda: optuna.samplers.NSGAIISampler(seed=0, population_size=5), id="nsga2"),
    ],
)
def test_samplers_of_optuna_search_on_the_problem(
    make_study: Make, sampler: Callable[[], optuna.samplers.BaseSampler]
) -> None:
    problem = make_study(constraints={"latency_ms": 40.0}).problem
    plain = optuna.create_study(directions=problem.directions, sampler=sampler())
    plain.optimize(problem, n_trials=12)
    subnets = [Subnet.from_dict(t.user_attrs["subnet"]) for t in plain.trials]
    expected = problem.evaluate(problem.space.to_matrix(subnets))
    assert [t.values for t in plain.trials] == expected.values.tolist()
    assert [t.constraints["latency_ms"] for t in plain.trials] == [
        c for (c,) in expected.excess.tolist()
    ]


def test_fixed_trial(make_study: Make, small_space: SearchSpace) -> None:
    problem = make_study(small_space).problem
    row = small_space.to_matrix([small_space.largest()])
    trial = optuna.trial.FixedTrial(small_space.to_params(row)[0])
    assert problem(trial) == tuple(problem.evaluate(row).values[0])


def test_every_metric_can_be_an_objective(make_study: Make) -> None:
    study = make_study(objectives=list(METRICS))
    study.search(30)
    assert list(study.front()[0].values) == list(METRICS)


def test_a_study_is_announced_by_optuna_only(
    make_study: Make, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.INFO, logger="optuna_ofa"):
        make_study()
    assert caplog.records == []
    assert capfd.readouterr().out == ""


class TestNotebook:
    """The table that a notebook shows of a study."""

    def test_both_kinds_are_apart(self, make_study: Make) -> None:
        study = make_study(study_name="<mine>", constraints={"latency_ms": 90.0})
        study.search(50)
        study.tell_batch(study.ask_batch(1), [(75.0, 20.0)])
        text = study._repr_html_()
        assert "Study &lt;mine&gt;" in text
        assert "latency_ms ≤ 90 ms" in text
        assert "Top-1 accuracy (%), maximize; Latency (ms), minimize" in text
        assert "50 predicted trials, " in text
        assert (
            "1 measured trial, 1 on the Pareto front; its knee: top1 75.00 %, latency_ms 20" in text
        )

    def test_a_study_without_trials(self, make_study: Make) -> None:
        assert "0 predicted trials<" in make_study()._repr_html_()

    def test_nothing_is_feasible(self, make_study: Make) -> None:
        study = make_study()
        study.add_trial(
            optuna.create_trial(
                params=study.space.to_params(study.space.sample(1, seed=0))[0],
                distributions=dict(study.space.distributions),
                values=(float("inf"), 9.0),
            )
        )
        assert "1 measured trial, none within the constraints" in study._repr_html_()


OWN_SAMPLERS = {
    "random": lambda: optuna.samplers.RandomSampler(seed=0),
    "tpe": lambda: optuna.samplers.TPESampler(seed=0, n_startup_trials=5),
    "nsga2": lambda: optuna.samplers.NSGAIISampler(seed=0, population_size=5),
    "nsga3": lambda: optuna.samplers.NSGAIIISampler(seed=0, population_size=5),
    "qmc": lambda: optuna.samplers.QMCSampler(seed=0),
}


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("name", OWN_SAMPLERS)
class TestSamplersOfOptuna:
    """A sampler of Optuna in `optimize`; `search` and `ask_batch` use our engine."""

    def test_it_optimizes_and_the_rest_works(self, make_study: Make, name: str) -> None:
        study = make_study(sampler=OWN_SAMPLERS[name](), constraints={"latency_ms": 40.0})
        assert type(study.sampler).__module__.startswith("optuna.")
        study.optimize(study.problem, n_trials=12)
        assert {t.user_attrs["kind"] for t in study.trials} == {"predicted"}
        assert all("latency_ms" in t.constraints for t in study.trials)
        study.search(20)
        study.tell_batch(study.ask_batch(2), [(75.0, 20.0), None])
        assert len(study.trials) == 34
        assert len(study.front(kind="predicted")) > 0
        assert len(study.front(kind="measured")) == 1

    def test_it_chooses_the_subnets(self, make_study: Make, name: str) -> None:
        study = make_study(sampler=OWN_SAMPLERS[name]())
        plain = optuna.create_study(
            directions=study.problem.directions, sampler=OWN_SAMPLERS[name]()
        )
        for each in (study, plain):
            each.optimize(study.problem, n_trials=12)
        assert [t.params for t in study.trials] == [t.params for t in plain.trials]


class TestAttributes:
    """What a trial of an objective of one's own has beside its values."""

    @pytest.mark.parametrize("how", ["optimize", "tell"])
    def test_kind_and_subnet(self, make_study: Make, sqlite: str, how: str) -> None:
        study = make_study(storage=sqlite)
        if how == "optimize":
            study.optimize(own_objective(study), n_trials=2)
        else:
            for _ in range(2):
                trial = study.ask()
                study.tell(trial, own_objective(study)(trial))
        for trial in study.trials:
            assert trial.user_attrs["kind"] == "measured"
            row = study.space.from_params([trial.params])
            assert Subnet.from_dict(trial.user_attrs["subnet"]) == study.space.from_matrix(row)[0]
        assert len(study.front(kind="measured")) > 0

    def test_those_of_the_objective_stay(self, make_study: Make) -> None:
        study = make_study()
        mine = own_objective(study)

        def objective(trial: optuna.Trial) -> tuple[float, ...]:
            trial.set_user_attr("subnet", "mine")
            return mine(trial)

        study.optimize(objective, n_trials=1)
        attributes = study.trials[0].user_attrs
        assert attributes.pop("subnet_text").startswith("2")
        assert attributes == {"subnet": "mine", "kind": "measured"}

    @pytest.mark.parametrize("storage", [None, "sqlite"], ids=["memory", "sqlite"])
    def test_every_trial_shows_its_subnet_as_a_text(
        self, make_study: Make, tmp_path: Path, storage: str | None
    ) -> None:
        study = make_study(storage=storage and f"sqlite:///{tmp_path / 'a.db'}")
        study.search(20)
        study.optimize(own_objective(study), n_trials=1)
        study.optimize(study.problem, n_trials=1)
        asked = study.ask_batch(1)
        study.tell_batch(asked, [own_objective(study)(asked[0].trial)])
        for trial in study.trials:
            subnet = study.space.from_matrix(study.space.from_params([trial.params]))[0]
            assert trial.user_attrs["subnet_text"] == subnet.text
            assert str(subnet) == f"{subnet.family.name}@{subnet.text}"
