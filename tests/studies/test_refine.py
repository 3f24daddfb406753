"""Rounds of measuring, correcting and searching again."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from numpy.typing import NDArray

import optuna_ofa
from optuna_ofa import Metric, SearchSpace, Subnet, SubnetStudy
from optuna_ofa.exceptions import FailedMeasurementWarning, InvalidArgumentError, MeasurementError
from optuna_ofa.predictors import CostPredictor, FunctionPredictor
from optuna_ofa.space import Matrix
from optuna_ofa.verification import Meter, Readings
from optuna_ofa.verification._trials import write

SPACE = SearchSpace("ofa_mbv3_fashion").restrict(resolution=[20, 28], kernel=[3, 5])
MACS, PARAMS = CostPredictor("n_macs", SPACE), CostPredictor("n_params", SPACE)


@pytest.fixture(autouse=True, scope="module")
def _short_searches() -> Iterator[None]:
    """A tenth of the evaluations is enough for a small space."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("optuna_ofa.studies._choices._N_SEARCHED", 500)
        yield


def top1_of(matrix: Matrix) -> NDArray[np.float64]:
    return np.asarray(60 + 8 * np.log(PARAMS.predict(matrix) / 1e4))


def latency_of(matrix: Matrix) -> NDArray[np.float64]:
    return np.asarray(MACS.predict(matrix) / 1e6)


def make(n: int = 300, space: SearchSpace = SPACE, **arguments: Any) -> SubnetStudy:
    """Return a study that has searched."""
    given: dict[str, Any] = {
        "accuracy": FunctionPredictor("top1", top1_of, space, takes="matrix"),
        "hardware": FunctionPredictor("latency_ms", latency_of, space, takes="matrix"),
        "seed": 0,
        **arguments,
    }
    study = optuna_ofa.study(space, **given)
    if n and not len(study.results(kind="predicted").numbers):
        study.search(n)
    return study


class Device:
    """Measures accuracies 2 points lower than predicted, and latencies 1.5 times as long.

    Kernels of 5 cost more than is predicted, 0.1 ms each, and add an accuracy of 0.2 points.

    Args:
        raises: What the call with a number raises.
    """

    def __init__(self, raises: dict[int, BaseException] | None = None) -> None:
        self.asked: list[Subnet] = []
        self._raises = raises or {}

    def top1(self, subnet: Subnet) -> float:
        self.asked.append(subnet)
        if (error := self._raises.get(len(self.asked))) is not None:
            raise error
        return float(top1_of(SPACE.to_matrix([subnet]))[0]) - 2 + 0.2 * self.n_large(subnet)

    def latency(self, subnet: Subnet) -> float:
        predicted = float(latency_of(SPACE.to_matrix([subnet]))[0])
        return 1.5 * predicted + 0.1 * self.n_large(subnet)

    @staticmethod
    def n_large(subnet: Subnet) -> int:
        return str(subnet).count("k5")

    @property
    def meters(self) -> dict[str, Callable[[Subnet], float]]:
        return {"top1": self.top1, "latency_ms": self.latency}


def course(study: SubnetStudy) -> list[tuple[Any, ...]]:
    """Return all measured trials, with what they were chosen by."""
    keys = ("subnet_text", "predicted", "predicted_std", "chosen_after", "kind")
    trials = [t for t in study.trials if t.user_attrs["kind"] == "measured"]
    return [(t.values, *(t.user_attrs[key] for key in keys)) for t in trials]


class TestTheRounds:
    def test_predictions_are_corrected_and_the_front_grows(self) -> None:
        study = make()
        found = study.refine(Device().meters, budget=40, tolerance=0)
        assert [of.n_before for of in found.rounds] == [0, 8, 16, 24, 32]
        assert [of.n_measured for of in found.rounds] == [8, 16, 24, 32, 40]
        first, *_, last = found.rounds
        assert first.errors["top1"].mean_error < -0.5
        assert first.errors["latency_ms"].mape > 25
        assert abs(last.errors["top1"].mean_error) < 0.2
        assert last.errors["latency_ms"].mape < 3
        volumes = [of.hypervolume for of in found.rounds]
        assert volumes == sorted(volumes)
        assert found.ending == "budget spent"

    def test_it_finds_more_than_the_first_front_has(self) -> None:
        study, plain = make(), make()
        found = study.refine(Device().meters, budget=40, tolerance=0)
        plain.verify(Device().meters, points=40)
        first = plain.front(kind="measured").hypervolume(found.reference)
        assert found.front.hypervolume(found.reference) > 1.01 * first

    def test_corrected_predictors_agree_with_new_measurements(self) -> None:
        study, device = make(), Device()
        found = study.refine(device.meters, budget=40, tolerance=0)
        subnets = [point.subnet for point in found.predicted]  # others were hardly measured
        matrix = SPACE.to_matrix(subnets)
        accuracy = [device.top1(subnet) for subnet in subnets]
        latency = [device.latency(subnet) for subnet in subnets]
        errors = found.predictors["top1"].predict(matrix) - accuracy
        assert np.abs(errors).mean() < 0.5
        ratios = found.predictors["latency_ms"].predict(matrix) / latency
        np.testing.assert_allclose(ratios, 1, atol=0.1)

    def test_the_first_round_is_that_of_a_verification(self) -> None:
        study, plain = make(), make()
        study.refine(Device().meters, budget=6, rounds=1)
        plain.verify(Device().meters, points=6)
        ours, theirs = (s.results(kind="measured") for s in (study, plain))
        assert set(ours.keys.tolist()) == set(theirs.keys.tolist())

    def test_it_stops_where_the_front_no_longer_grows(self) -> None:
        study = make()
        best = SPACE.largest()
        meters = {"top1": lambda s: 50.0 + (s == best), "latency_ms": lambda s: 2.0 - (s == best)}
        found = study.refine(meters, budget=100, rounds=20)
        assert found.ending == "front no longer grows"
        volumes = [of.hypervolume for of in found.rounds]
        assert volumes[-3:] == [volumes[-1]] * 3
        assert volumes[-4:-3] != [volumes[-1]]
        again = study.refine(meters, budget=100, rounds=20)
        assert [of.n_before for of in again.rounds] == [of.n_before for of in found.rounds]
        assert study.refine(meters, budget=30, rounds=6, tolerance=0).ending == "budget spent"

    def test_a_study_without_a_search(self) -> None:
        found = make(0).refine(Device().meters, budget=10, rounds=2)
        assert found.rounds[-1].n_measured == 10
        assert found.rounds[0].errors["top1"].mean_error < -0.5

    def test_all_subnets_of_a_small_space(self) -> None:
        space = SPACE.restrict(depth=2, expand=3, kernel=3)
        study = make(space.n_subnets, space=space)
        found = study.refine(Device().meters, budget=30, tolerance=0)
        assert found.ending == "no subnet left"
        assert found.rounds[-1].n_measured == space.n_subnets < 30


class TestEndsEarly:
    """By callbacks and a time limit."""

    def test_callbacks_get_the_measured_trials(self) -> None:
        study, plain = make(), make()
        called: list[tuple[optuna.Study, int, Any]] = []

        def note(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
            called.append((study, trial.number, trial.user_attrs["chosen_after"]))

        study.refine(Device().meters, budget=12, rounds=2, callbacks=iter([note]))
        plain.refine(Device().meters, budget=12, rounds=2)
        assert called == [(study, 300 + i, 6 * (i // 6)) for i in range(12)]
        assert course(study) == course(plain)

    def test_a_stopped_one_continues_as_an_uninterrupted_one(self) -> None:
        study, plain, device = make(), make(), Device()

        def stop(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
            study.stop()

        found = study.refine(device.meters, budget=24, rounds=2, callbacks=[stop])
        assert found.ending == "stopped"
        assert str(found).startswith("8 subnets measured in 1 rounds: stopped")
        assert len(device.asked) == 8  # a group of subnets, in a round of 12
        assert study.refine(device.meters, budget=24, rounds=2).ending == "budget spent"
        plain.refine(Device().meters, budget=24, rounds=2)
        assert course(study) == course(plain)

    def test_no_round_begins_after_the_time(self) -> None:
        study, device = make(), Device()
        found = study.refine(device.meters, budget=12, timeout=0)
        assert (found.ending, found.rounds, device.asked) == ("time over", (), [])

    def test_an_error_of_a_callback_ends_it_and_keeps_the_trials(self) -> None:
        study = make()

        def fail(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
            raise ValueError("mine")

        with pytest.raises(ValueError, match="mine"):
            study.refine(Device().meters, budget=12, callbacks=[fail])
        assert len(course(study)) == 3


class TestTheBudget:
    @pytest.mark.parametrize(("budget", "rounds"), [(1, 5), (7, 3), (13, 2), (12, 12)])
    def test_it_is_kept_exactly(self, budget: int, rounds: int) -> None:
        study, device = make(), Device()
        found = study.refine(device.meters, budget=budget, rounds=rounds, tolerance=0)
        assert len(device.asked) == budget == len(study.results(kind="measured").numbers)
        assert found.rounds[-1].n_measured == budget

    def test_other_measurements_count(self) -> None:
        study, device = make(), Device()
        study.verify(device.meters, points=6)
        found = study.refine(device.meters, budget=10, rounds=2, tolerance=0)
        assert len(device.asked) == 10
        assert [of.n_before for of in found.rounds] == [6]

    def test_a_spent_budget_measures_nothing(self) -> None:
        study, device = make(), Device()
        first = study.refine(device.meters, budget=12, rounds=2, tolerance=0)
        again = study.refine(device.meters, budget=12, rounds=2, tolerance=0)
        assert len(device.asked) == 12
        assert (again.rounds, again.front) == (first.rounds, first.front)
        assert again.predicted == first.predicted

    def test_a_larger_budget_continues(self) -> None:
        study, whole = make(), make()
        study.refine(Device().meters, budget=8, rounds=2, tolerance=0)
        study.refine(Device().meters, budget=16, rounds=4, tolerance=0)
        whole.refine(Device().meters, budget=16, rounds=4, tolerance=0)
        assert course(study) == course(whole)


@pytest.fixture(scope="module")
def whole() -> list[tuple[Any, ...]]:
    """The course without an interruption."""
    study = make()
    study.refine(Device().meters, budget=15, rounds=3, tolerance=0)
    return course(study)


class TestInterruptions:
    @pytest.mark.parametrize(
        ("at", "error"),
        [
            (1, KeyboardInterrupt()),
            (4, ConnectionError("gone")),
            (6, KeyboardInterrupt()),
            (15, ConnectionError("gone")),
        ],
    )
    def test_the_next_call_measures_the_same(
        self, tmp_path: Path, whole: list[tuple[Any, ...]], at: int, error: BaseException
    ) -> None:
        storage = f"sqlite:///{tmp_path}/study.db"
        study = make(storage=storage, study_name="one")
        device = Device(raises={at: error})
        with pytest.raises((KeyboardInterrupt, MeasurementError)):
            study.refine(device.meters, budget=15, rounds=3, tolerance=0)
        again = make(storage=storage, study_name="one", load_if_exists=True)
        again.refine(device.meters, budget=15, rounds=3, tolerance=0)
        assert course(again) == whole
        assert len(device.asked) == 15 + 1  # the interrupted one twice

    def test_the_error_says_how_to_continue(self) -> None:
        device = Device(raises={3: ConnectionError("gone")})
        with pytest.raises(MeasurementError, match=r"after 2 of 5 .* call `refine` again"):
            make().refine(device.meters, budget=15, rounds=3)

    def test_others_take_the_place_of_subnets_that_fail(self) -> None:
        study, device = make(), Device(raises={2: ValueError("no"), 9: ValueError("no")})
        with pytest.warns(FailedMeasurementWarning, match="2 of 17 subnets .* ValueError: no"):
            found = study.refine(device.meters, budget=15, rounds=3, tolerance=0)
        assert len(study.results(kind="measured").numbers) == 15
        assert set(found.failures) == {device.asked[1], device.asked[8]}
        assert len(set(device.asked)) == 17


class Instant(Meter):
    """A meter that measures whole batches, and claims nothing."""

    def __init__(self, measure: Callable[[Subnet], float]) -> None:
        self._measure = measure

    def measure(self, space: SearchSpace, matrix: Matrix, storage: optuna.Study | None) -> Readings:
        values = [self._measure(subnet) for subnet in space.from_matrix(matrix)]
        return Readings(np.array(values), np.full(len(values), np.nan), {})


class TestOtherProcesses:
    """Others that measure for the study at the same time."""

    @staticmethod
    def open(folder: Path, **arguments: Any) -> SubnetStudy:
        """Open a study whose corrections are fast; it exists after the first call."""
        given = {"storage": f"sqlite:///{folder}/study.db", "study_name": "one", **arguments}
        return make(100, objectives=["latency_ms", "n_params"], load_if_exists=True, **given)

    @staticmethod
    def measured(study: SubnetStudy) -> list[Subnet]:
        return SPACE.from_matrix(study.results(kind="measured").matrix)

    def overtaken(
        self, folder: Path, subnets: list[Subnet]
    ) -> tuple[Mapping[str, Callable[[Subnet], float]], list[Subnet]]:
        """Return what measures, and a list of what it has measured.

        During the first measurement another process measures other subnets.
        """
        asked: list[Subnet] = []

        def measure(subnet: Subnet) -> float:
            if not asked:
                meter = Instant(Device().latency)
                self.open(folder).verify({"latency_ms": meter}, points=subnets)
            asked.append(subnet)
            return Device().latency(subnet)

        return {"latency_ms": measure}, asked

    def test_a_round_that_others_have_measured_is_not_the_last(self, tmp_path: Path) -> None:
        twin, study = self.open(tmp_path, storage=None), self.open(tmp_path)
        twin.refine({"latency_ms": Device().latency}, budget=5, rounds=1)
        meters, _ = self.overtaken(tmp_path, self.measured(twin))
        found = study.refine(meters, budget=10, rounds=2, tolerance=0)
        assert found.ending == "budget spent"
        notes = [t.user_attrs for t in study.trials if t.user_attrs["kind"] == "measured"]
        assert [note.get("chosen_after") for note in notes] == [None] * 5 + [5] * 5
        assert len({note["subnet_text"] for note in notes}) == 10

    def test_what_they_measure_counts(self, tmp_path: Path) -> None:
        study, others = self.open(tmp_path), SPACE.from_matrix(SPACE.sample(10, seed=1))
        meters, asked = self.overtaken(tmp_path, others)
        found = study.refine(meters, budget=20, rounds=1, tolerance=0)
        assert (len(self.measured(study)), len(asked)) == (20, 10)
        assert found.ending == "budget spent"

    def test_what_they_have_measured_is_not_measured_again(self, tmp_path: Path) -> None:
        study, subnets = self.open(tmp_path), SPACE.from_matrix(SPACE.sample(20, seed=1))
        meters, asked = self.overtaken(tmp_path, subnets[8:18])
        assert len(study.verify(meters, points=subnets).points) == 20
        assert asked == [*subnets[:8], *subnets[18:]]

    def test_what_they_write_while_this_one_writes_is_not_written_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        study, matrix = self.open(tmp_path), SPACE.sample(3, seed=1)
        other, calls = self.open(tmp_path), 0

        def write_both(problem: Any, store: Any, rows: Matrix, known: Any, *rest: Any) -> None:
            nonlocal calls
            calls += 1
            write(problem, store, rows, known, *rest)
            if calls == 1:  # this process was stopped for longer than its claim lasts
                write(problem, other.store, matrix[1:2], known[:1], *rest)

        monkeypatch.setattr("optuna_ofa.verification._verify.write", write_both)
        study.verify({"latency_ms": Device().latency}, points=SPACE.from_matrix(matrix))
        assert calls == 2
        assert len(study.get_trials()) == 100 + 3

    def test_running_trials_are_left_to_them(self, tmp_path: Path) -> None:
        study, twin = (self.open(tmp_path, study_name=name, storage=None) for name in ("a", "b"))
        running = {one.subnet for one in study.ask_batch(4)}
        for of in (study, twin):
            of.refine({"latency_ms": Device().latency}, budget=10, rounds=1)
        assert len(self.measured(study)) == 10
        assert running & set(self.measured(twin))
        assert not running & set(self.measured(study))

    def test_all_choose_by_one_seed(self, tmp_path: Path) -> None:
        self.open(tmp_path)
        study, twin = self.open(tmp_path, seed=3), self.open(tmp_path, storage=None)
        for of in (study, twin):
            of.refine({"latency_ms": Device().latency}, budget=10, rounds=2, tolerance=0)
        assert study.seed == 3
        assert course(study) == course(twin)


class TestWhatIsWritten:
    def test_predictions_of_the_study_stay(self) -> None:
        study = make()
        before, predictors = study.front(kind="predicted"), dict(study.problem.predictors)
        study.refine(Device().meters, budget=10, rounds=2)
        assert study.front(kind="predicted") == before
        assert study.problem.predictors == predictors
        assert len(study.trials) == 300 + 10
        assert study.front().kind == "measured"

    def test_trials_say_what_they_were_chosen_by(self) -> None:
        study = make()
        study.refine(Device().meters, budget=10, rounds=2)
        notes = [t.user_attrs for t in study.trials if t.user_attrs["kind"] == "measured"]
        assert [note["chosen_after"] for note in notes] == [0] * 5 + [5] * 5
        plain = study.problem.named(study.problem.evaluate(study.results(kind="measured").matrix))
        told = [note["predicted"] == values for note, (values, _) in zip(notes, plain, strict=True)]
        assert told == [True] * 5 + [False] * 5

    def test_the_predicted_front_says_that_it_is_corrected(self) -> None:
        found = make().refine(Device().meters, budget=10, rounds=2)
        assert found.predicted.kind == "predicted"
        assert "(predicted, corrected with 10 measurements)" in str(found.predicted[0])
        assert "corrected" not in str(found.front[0])

    def test_a_study_can_use_the_corrected_predictors(self) -> None:
        found = make().refine(Device().meters, budget=20)
        study = make(
            accuracy=found.predictors["top1"], hardware=found.predictors["latency_ms"], seed=1
        )
        assert "corrected with 20 measurements" in str(study.front()[0])

    def test_the_text_has_a_line_for_each_round(self) -> None:
        found = make().refine(Device().meters, budget=10, rounds=2, tolerance=0)
        head, titles, *lines = str(found).splitlines()
        assert head == "10 subnets measured in 2 rounds: budget spent"
        assert titles.split("  ")[-1] == "latency_ms mean error"
        assert [line.split()[:2] for line in lines[:2]] == [["0", "5"], ["5", "10"]]

    def test_the_bar_says_what_is_done(self, capsys: pytest.CaptureFixture[str]) -> None:
        make().refine(Device().meters, budget=10, rounds=2, tolerance=0, progress=True)
        shown = capsys.readouterr().err
        for words in ("correcting", "searching", "measuring 5 subnets", "measured hypervolume"):
            assert words in shown


class TestProblems:
    def test_constraints(self) -> None:
        study = make(constraints={"latency_ms": 12.0, "n_params": 3e5})
        found = study.refine(Device().meters, budget=30, tolerance=0)
        assert all(p.latency_ms <= 12 for p in (*found.front, *found.predicted))
        matrix = SPACE.to_matrix([p.subnet for p in found.front])
        assert PARAMS.predict(matrix).max() <= 3e5
        # a front up to the measured bound, which the table puts at 8 ms
        assert max(p.latency_ms for p in found.front) > 10

    @pytest.mark.parametrize(
        "objectives",
        [("latency_ms", "top1"), ("n_params", "top1", "latency_ms"), ("top1",)],
        ids=" ".join,
    )
    def test_objectives_in_any_order(self, objectives: tuple[str, ...]) -> None:
        study = make(objectives=objectives)
        meters = {m: of for m, of in Device().meters.items() if m in objectives}
        found = study.refine(meters, budget=15, rounds=3, tolerance=0)
        assert found.front.objectives == found.predicted.objectives == objectives
        assert abs(found.rounds[-1].errors["top1"].mean_error) < 1

    def test_caution_stays(self) -> None:
        def uncertain(matrix: Matrix) -> NDArray[np.float64]:
            return top1_of(matrix)

        predictor = FunctionPredictor("top1", uncertain, SPACE, takes="matrix")
        predictor.predict_std = lambda matrix: np.ones(len(matrix))  # type: ignore[method-assign]
        study = make(accuracy=predictor, caution=1.0)
        found = study.refine(Device().meters, budget=15, rounds=3, tolerance=0)
        assert found.predicted[0].caution == {"top1": 1.0}
        assert study.problem.caution == {"top1": 1.0}

    def test_a_metric_that_nothing_predicts(self) -> None:
        energy = Metric("energy_mj", unit="mJ", direction="minimize")
        study = optuna_ofa.study(SPACE, objectives=("n_params", energy), seed=0)
        found = study.refine(
            {"energy_mj": lambda s: 3 + Device().latency(s)}, budget=20, rounds=2, tolerance=0
        )
        assert found.rounds[0].errors["energy_mj"].n == 0
        assert found.rounds[1].errors["energy_mj"].mape < 20
        assert found.predicted.kind == "predicted"

    def test_each_objective_must_be_measured(self) -> None:
        with pytest.raises(InvalidArgumentError, match=r"`measure` .*lacks 'latency_ms'"):
            make().refine({"top1": Device().top1}, budget=5)

    def test_hypervolumes_are_those_of_the_measured_front(self) -> None:
        study = make()
        found = study.refine(Device().meters, budget=10, rounds=2, tolerance=0)
        expected = found.front.hypervolume(found.reference)
        assert math.isclose(found.rounds[-1].hypervolume, expected)


def test_measurements_that_other_methods_made_correct_too() -> None:
    study = make(objectives=["latency_ms", "n_params"])
    subnets = SPACE.from_matrix(SPACE.sample(12, seed=0))
    matrix = SPACE.sample(5, seed=1)
    meters = {"latency_ms": lambda s: 2 * float(latency_of(SPACE.to_matrix([s]))[0])}
    study.verify(meters, points=subnets)
    found = study.refine(meters, budget=12)
    assert (found.rounds, found.ending) == ((), "budget spent")
    assert str(found).startswith("no subnets measured in 0 rounds: budget spent")
    corrected = found.predictors["latency_ms"].predict(matrix)
    np.testing.assert_allclose(corrected, 2 * latency_of(matrix))
