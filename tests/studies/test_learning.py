"""Studies that learn from what was measured."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from optuna_ofa import SearchSpace, SubnetStudy
from optuna_ofa.exceptions import InvalidArgumentError, SearchSpaceExhaustedError
from optuna_ofa.predictors import Predictor
from optuna_ofa.samplers import EvolutionarySampler, SurrogateSampler
from optuna_ofa.space import Matrix
from optuna_ofa.studies import Asked

Make = Callable[..., SubnetStudy]


def truth(study: SubnetStudy, matrix: Matrix) -> np.ndarray:
    """What a device says: worse than predicted, most with kernels of 7."""
    values = study.problem.evaluate(matrix).values.copy()
    sevens = (matrix == 7).sum(axis=1)
    values[:, 0] -= 2 + 0.3 * sevens
    values[:, 1] *= 1.2 + 0.02 * sevens
    return values


def measure(study: SubnetStudy, asked: list[Asked]) -> list[list[float]]:
    return truth(study, study.space.to_matrix([a.subnet for a in asked])).tolist()


def objective_of(study: SubnetStudy) -> Callable[[optuna.Trial], tuple[float, ...]]:
    def objective(trial: optuna.Trial) -> tuple[float, ...]:
        return tuple(truth(study, study.space.to_matrix([study.space.suggest(trial)]))[0])

    return objective


def make_learning(make_study: Make, *args: SearchSpace, **options: object) -> SubnetStudy:
    return make_study(*args, sampler=None, learn=True, **{"seed": 0} | options)


def rounds(study: SubnetStudy, n: int, size: int = 10) -> list[list[Asked]]:
    batches = []
    for _ in range(n):
        batches.append(asked := study.ask_batch(size))
        study.tell_batch(asked, measure(study, asked))
    return batches


class TestBatches:
    def test_predictions_are_corrected(self, make_study: Make) -> None:
        study = make_learning(make_study)
        *_, last = rounds(study, 4)
        rows = study.space.to_matrix([a.subnet for a in last])
        true, given = truth(study, rows), study.problem.evaluate(rows).values
        said = np.array([[a.predicted["top1"], a.predicted["latency_ms"]] for a in last])
        assert (np.abs(said - true).mean(axis=0) < 0.4 * np.abs(given - true).mean(axis=0)).all()
        assert all(set(a.std) == {"top1", "latency_ms"} for a in last)
        trial = study.trials[-1]
        assert trial.user_attrs["predicted"] == last[-1].predicted
        assert trial.user_attrs["predicted_std"] == last[-1].std
        assert trial.user_attrs["kind"] == "measured"

    @pytest.mark.parametrize("seed", [0, 1, 2])
    @pytest.mark.parametrize("size", [3, 6, 12])
    def test_both_ends_of_the_front_are_asked_for(
        self, make_study: Make, size: int, seed: int
    ) -> None:
        study = make_learning(make_study, seed=seed)
        study.search(300)
        asked, known = [], []
        while len(asked) < 12 + 2 * size:
            batch = study.ask_batch(size)
            rows = study.space.to_matrix([a.subnet for a in batch])
            values = study.problem.evaluate(rows).values
            values[:, 0] += np.random.default_rng([seed, len(asked)]).normal(0, 1.0, size)
            study.tell_batch(batch, values.tolist())
            asked += batch
            known += values.tolist()
        front = study.front(kind="predicted")
        fastest, slowest = front[0].values["latency_ms"], front[-1].values["latency_ms"]
        learnt = [a.predicted["latency_ms"] for a in asked[12:]]
        assert max(learnt) - min(learnt) > 0.6 * (slowest - fastest)

    def test_choices_of_one_are_parts_of_a_batch(
        self, make_study: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        study, picks = make_learning(make_study), []

        def first_is_an_end(values: np.ndarray, others: np.ndarray, n: int) -> np.ndarray:
            picks.append((n, values))
            return np.arange(n)

        monkeypatch.setattr("optuna_ofa.samplers.models._search.pick_along", first_is_an_end)
        rounds(study, 1)
        picks.clear()
        asked = [one for (one,) in rounds(study, 3, 1)]
        assert [n for n, _ in picks] == [5, 5, 5]
        for place, (one, (_, values)) in enumerate(zip(asked, picks, strict=True)):
            said = [-(one.predicted["top1"] + one.std["top1"])]
            said += [one.predicted["latency_ms"] - one.std["latency_ms"]]
            assert np.abs(values - said).sum(axis=1).argmin() == place

    def test_the_start_is_the_predicted_front(self, make_study: Make) -> None:
        plain, learning = make_study(seed=0), make_learning(make_study)
        for study in (plain, learning):
            study.search(300)
        front = {p.subnet for p in learning.front()}
        assert {a.subnet for a in learning.ask_batch(6)} <= front

    def test_nothing_is_asked_for_twice(self, make_study: Make, small_space: SearchSpace) -> None:
        study = make_learning(make_study, small_space)
        study.search(50)
        for _ in range(4):
            asked = study.ask_batch(20)
            values: list[list[float] | None] = [*measure(study, asked)]
            values[0] = None
            study.tell_batch(asked, values)
        measured = study.trials[50:]
        assert len({str(t.user_attrs["subnet"]) for t in measured}) == 80
        assert [t.state for t in measured].count(TrialState.FAIL) == 4

    def test_all_of_a_small_space_can_be_measured(
        self, make_study: Make, small_space: SearchSpace
    ) -> None:
        study = make_learning(make_study, small_space)
        rounds(study, 2, 120)
        assert len(study.ask_batch(10)) == 3
        with pytest.raises(SearchSpaceExhaustedError, match="All 243 subnets"):
            study.ask_batch(1)

    def test_constraints_are_learnt(self, make_study: Make) -> None:
        # 25 ms are 33 or more on the device
        study = make_learning(make_study, constraints={"latency_ms": 25.0})
        *_, last = rounds(study, 4)
        assert np.median([row[1] for row in measure(study, last)]) < 25.5
        assert all(p.values["latency_ms"] <= 25.0 for p in study.front(kind="measured"))

    def test_constrained_metrics_that_are_no_objectives(self, make_study: Make) -> None:
        study = make_learning(make_study, constraints={"n_params": 4.5e6})
        *_, last = rounds(study, 3)
        params = study.problem.predictors["n_params"]
        rows = study.space.to_matrix([a.subnet for a in last])
        assert [a.predicted["n_params"] for a in last] == pytest.approx(params.predict(rows))
        assert (params.predict(rows) <= 4.5e6).all()

    def test_another_process_goes_on(self, make_study: Make, sqlite: str) -> None:
        options = {"storage": sqlite, "study_name": "a", "load_if_exists": True}
        rounds(make_learning(make_study, **options), 2)
        second = make_learning(make_study, **options)
        asked = second.ask_batch(5)
        given = second.problem.evaluate(second.space.to_matrix([a.subnet for a in asked])).values
        assert [a.predicted["latency_ms"] for a in asked] != pytest.approx(given[:, 1].tolist())
        assert len({str(t.user_attrs["subnet"]) for t in second.trials}) == 25

    def test_without_learning_the_predictors_stay_as_they_are(self, make_study: Make) -> None:
        study = make_study()
        *_, last = rounds(study, 3)
        given = study.problem.evaluate(study.space.to_matrix([a.subnet for a in last])).values
        assert [a.predicted["top1"] for a in last] == pytest.approx(given[:, 0].tolist())


class TestOptimize:
    def test_measured_values_with_predictions_beside_them(self, make_study: Make) -> None:
        study = make_learning(make_study)
        study.optimize(objective_of(study), n_trials=16)
        assert {p.kind for p in study.front()} == {"measured"}
        for trial in study.trials[10:]:
            predicted = trial.user_attrs["predicted"]
            assert predicted["latency_ms"] == pytest.approx(trial.values[1], rel=0.2)
            assert predicted["latency_ms"] != trial.values[1]

    def test_a_search_before_it_is_no_measurement(self, make_study: Make) -> None:
        study = make_learning(make_study)
        study.search(200)
        study.optimize(objective_of(study), n_trials=12)
        assert "predicted" not in study.trials[205].user_attrs
        assert "predicted" in study.trials[211].user_attrs
        assert len(study.results(kind="measured").numbers) == 12

    def test_constraints_on_objectives_need_not_be_set(self, make_study: Make) -> None:
        study = make_learning(make_study, constraints={"latency_ms": 25.0})
        study.optimize(objective_of(study), n_trials=30)
        assert np.mean([t.values[1] <= 25.0 for t in study.trials[15:]]) > 0.6
        for trial in study.trials:  # the excess is that of the measured value
            assert trial.constraints["latency_ms"] == pytest.approx(trial.values[1] - 25.0)
            assert trial.system_attrs["constraints"] == [max(trial.constraints["latency_ms"], 0)]

    def test_constraints_that_no_trial_sets_are_predicted(self, make_study: Make) -> None:
        study = make_learning(make_study, constraints={"n_params": 4.5e6})
        study.optimize(objective_of(study), n_trials=18)
        rows = study.space.from_params([t.params for t in study.trials[10:]])
        assert (study.problem.predictors["n_params"].predict(rows) <= 4.5e6).all()

    def test_what_fails_is_not_asked_for_again(
        self, make_study: Make, small_space: SearchSpace
    ) -> None:
        study = make_learning(make_study, small_space)
        good = objective_of(study)

        def objective(trial: optuna.Trial) -> tuple[float, ...]:
            values = good(trial)
            if trial.number >= 12:
                raise RuntimeError("device lost")
            return values

        study.optimize(objective, n_trials=20, catch=(RuntimeError,))
        rest = study.ask_batch(243)
        assert len(rest) == 223


class TestArguments:
    def test_a_surrogate_sampler_learns_in_batches_too(
        self, make_study: Make, space: SearchSpace
    ) -> None:
        sampler = SurrogateSampler(space, n_startup_trials=10, n_searched=400, seed=0)
        study = make_study(sampler=sampler)
        *_, last = rounds(study, 2)
        rows = study.space.to_matrix([a.subnet for a in last])
        given = study.problem.evaluate(rows).values
        assert [a.predicted["latency_ms"] for a in last] != pytest.approx(given[:, 1].tolist())
        study.search(50)
        assert len(study.results(kind="predicted").numbers) == 50

    def test_learn_goes_without_a_sampler(self, make_study: Make, space: SearchSpace) -> None:
        with pytest.raises(InvalidArgumentError, match="`learn` must be False with a `sampler`"):
            make_study(sampler=EvolutionarySampler(space), learn=True)


class WithStd(Predictor):
    """Accuracies that are the less certain the larger the kernels are."""

    metric = "top1"

    def __init__(self, inner: Predictor) -> None:
        self.space, self._inner = inner.space, inner

    def predict(self, matrix: Matrix) -> np.ndarray:
        return self._inner.predict(matrix)

    def predict_std(self, matrix: Matrix) -> np.ndarray:
        return 0.1 + 0.2 * (matrix == 7).sum(axis=1)


class TestCaution:
    @pytest.fixture
    def accuracy(self, predictor: Callable[..., Predictor], space: SearchSpace) -> Predictor:
        return WithStd(predictor("top1", space))

    def test_the_search_avoids_what_is_uncertain(
        self, make_study: Make, accuracy: Predictor
    ) -> None:
        sevens = []
        for caution in (0.0, 1.0):
            study = make_study(accuracy=accuracy, caution=caution)
            study.search(1000)
            rows = study.space.to_matrix([p.subnet for p in study.front()])
            sevens.append((rows == 7).mean())
        assert sevens[1] < 0.5 * sevens[0]

    def test_values_are_bounds_and_say_so(
        self, make_study: Make, accuracy: Predictor, sqlite: str
    ) -> None:
        study = make_study(accuracy=accuracy, caution=1.5, storage=sqlite, study_name="a")
        study.search(100)
        point = study.front()[0]
        row = study.space.to_matrix([point.subnet])
        expected = accuracy.predict(row) - 1.5 * accuracy.predict_std(row)
        assert point.values["top1"] == pytest.approx(expected[0])
        assert point.caution == {"top1": 1.5}
        assert "(predicted, top1 1.5 std worse)" in str(point)
        axis = study.plot_front().layout.yaxis.title.text
        assert axis == "Top-1 accuracy (%), predicted, predictions 1.5 std worse"
        loaded = optuna.load_study(study_name="a", storage=sqlite)
        assert loaded.user_attrs["optuna_ofa"]["caution"] == {"top1": 1.5}

    def test_measured_points_are_no_bounds(self, make_study: Make, accuracy: Predictor) -> None:
        study = make_study(accuracy=accuracy, caution=1.0)
        asked = study.ask_batch(3)
        study.tell_batch(asked, measure(study, asked))
        point = study.front(kind="measured")[0]
        assert point.caution == {}
        assert "worse" not in str(point)

    def test_without_it_nothing_changes(self, make_study: Make, accuracy: Predictor) -> None:
        study = make_study(accuracy=accuracy)
        study.search(50)
        assert study.front()[0].caution == {}
        assert "caution" not in study.user_attrs["optuna_ofa"]

    def test_the_accuracy_must_know_its_deviations(self, make_study: Make) -> None:
        with pytest.raises(InvalidArgumentError, match=r"`caution` must be 0, or .* 1\.0:"):
            make_study(caution=1.0)

    def test_it_must_not_be_negative(self, make_study: Make, accuracy: Predictor) -> None:
        with pytest.raises(InvalidArgumentError, match=r"`caution` must be a number of at least 0"):
            make_study(accuracy=accuracy, caution=-1.0)

    def test_there_must_be_an_accuracy(self, make_study: Make) -> None:
        with pytest.raises(InvalidArgumentError, match="`caution` must be 0 where top1"):
            make_study(objectives=["latency_ms", "n_params"], caution=1.0)
