"""Batches of subnets that are measured elsewhere."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import numpy as np
import optuna
import pytest
import sqlalchemy as sa
from numpy.typing import NDArray
from optuna.storages import JournalStorage, RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.storages._rdb import models
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from optuna_ofa import SearchSpace, Subnet, SubnetStudy
from optuna_ofa.exceptions import (
    FailedPredictionWarning,
    ImplausibleValueWarning,
    InfeasibleConstraintError,
    InvalidArgumentError,
    SearchSpaceExhaustedError,
    StorageError,
)
from optuna_ofa.predictors import CostPredictor, Predictor
from optuna_ofa.problem import ASKED, Evaluated
from optuna_ofa.space import Matrix
from optuna_ofa.storage import _write, relational
from optuna_ofa.storage._public_store import PublicStore
from optuna_ofa.studies import Asked
from optuna_ofa.studies._ask import _n_on_front

Make = Callable[..., SubnetStudy]


def measure(asked: list[Asked]) -> list[list[float]]:
    """What a device says that is 10 % slower than the table and 1 % less accurate."""
    return [[a.predicted["top1"] - 1, a.predicted["latency_ms"] * 1.1] for a in asked]


def subnets(asked: list[Asked]) -> list[Subnet]:
    return [a.subnet for a in asked]


def states(study: optuna.Study) -> list[TrialState]:
    return [t.state for t in study.trials]


def unmarked(trial: FrozenTrial) -> dict[str, Any]:
    """Return the system attributes, without what tells one call of `ask_batch` from another."""
    return {**trial.system_attrs, ASKED: True}


def publicly(study: SubnetStudy) -> SubnetStudy:
    """The same study, whose trials are written through Optuna's public calls."""
    store = PublicStore(study._storage, study.study_name, study.problem, "all")
    study.engine._search.store = store
    return study


class TestAsking:
    @pytest.mark.parametrize("searched", [0, 150], ids=["new", "searched"])
    def test_gives_different_subnets_with_running_trials(
        self, make_study: Make, url: str, names: Callable[[], str], searched: int
    ) -> None:
        study = make_study(storage=url, study_name=names())
        study.search(searched)
        asked = study.ask_batch(12)
        assert len(set(subnets(asked))) == 12
        trials = optuna.load_study(study_name=study.study_name, storage=url).trials[searched:]
        assert [a.number for a in asked] == [t.number for t in trials]
        assert {t.state for t in trials} == {TrialState.RUNNING}
        assert [Subnet.from_dict(t.user_attrs["subnet"]) for t in trials] == subnets(asked)
        rows = study.space.from_params([t.params for t in trials])
        assert study.space.from_matrix(rows) == subnets(asked)

    def test_trials_are_those_that_optuna_would_make(
        self, make_study: Make, url: str, names: Callable[[], str]
    ) -> None:
        ours, theirs = (make_study(storage=url, study_name=names()) for _ in range(2))
        publicly(theirs)
        before = datetime.datetime.now() - datetime.timedelta(seconds=1)
        ours.ask_batch(3)
        theirs.ask_batch(3)
        for a, b in zip(ours.trials, theirs.trials, strict=True):
            assert (a.number, a.state, a.params) == (b.number, b.state, b.params)
            assert (a.user_attrs, unmarked(a)) == (b.user_attrs, unmarked(b))
            assert (a.distributions, a.values) == (b.distributions, b.values)
            assert a.datetime_start is not None
            assert before <= a.datetime_start <= datetime.datetime.now()
            assert a.datetime_complete is None

    def test_says_what_is_predicted(self, make_study: Make) -> None:
        study = make_study(constraints={"latency_ms": 30.0, "n_params": 6e6, "n_macs": 5e8})
        asked = study.ask_batch(5)
        rows = study.space.to_matrix(subnets(asked))
        for metric in ("top1", "latency_ms", "n_params", "n_macs"):
            expected = study.problem.predictors[metric].predict(rows)
            assert [a.predicted[metric] for a in asked] == pytest.approx(expected.tolist())
        assert [t.user_attrs["predicted"] for t in study.trials] == [a.predicted for a in asked]

    def test_the_trial_suggests_the_subnet(self, make_study: Make) -> None:
        study = make_study()
        one = study.ask_batch(1)[0]
        assert study.space.suggest(one.trial) == one.subnet
        assert one.trial.study is study

    def test_takes_the_predicted_front_with_its_ends(self, make_study: Make) -> None:
        study = make_study()
        study.search(500)
        front = [p.subnet for p in study.front()]
        asked = study.ask_batch(6)
        assert set(subnets(asked)) <= set(front)
        assert {front[0], front[-1]} <= set(subnets(asked))

    def test_proposals_are_better_than_random(self, make_study: Make) -> None:
        study = make_study(constraints={"latency_ms": 20.0})
        asked = study.ask_batch(8)
        random = study.problem.evaluate(study.space.sample(1000, seed=0)).values
        fast = [a.predicted["top1"] for a in asked if a.predicted["latency_ms"] <= 20.0]
        assert len(fast) == 8
        assert max(fast) > random[random[:, 1] <= 20.0, 0].max()

    def test_nothing_but_what_is_asked_is_stored(self, make_study: Make) -> None:
        study = make_study()
        study.ask_batch(3)
        assert states(study) == [TrialState.RUNNING] * 3

    def test_batches_do_not_overlap(self, make_study: Make, sqlite: str) -> None:
        seen: list[Subnet] = []
        for i in range(4):  # each time as a new process would
            study = make_study(storage=sqlite, study_name="a", load_if_exists=True)
            asked = study.ask_batch(5)
            seen += subnets(asked)
            if i % 2:
                study.tell_batch(asked, measure(asked))
            study.search(30)
        assert len(set(seen)) == 20

    def test_callers_at_the_same_moment_get_different_ones(
        self, make_study: Make, url: str, names: Callable[[], str]
    ) -> None:
        name, barrier = names(), Barrier(3, timeout=60)
        make_study(storage=url, study_name=name).search(100)

        def ask(_: int) -> list[Asked]:
            study = make_study(storage=url, study_name=name, load_if_exists=True)
            barrier.wait()
            return study.ask_batch(6)

        with ThreadPoolExecutor(3) as pool:
            batches = list(pool.map(ask, range(3)))
        assert len({subnet for asked in batches for subnet in subnets(asked)}) == 18
        numbers = sorted(a.number for asked in batches for a in asked)
        assert numbers == list(range(100, 118))

    @pytest.mark.parametrize("storage", ["memory", "sqlite", "journal"])
    def test_the_seed_decides(
        self, make_study: Make, sqlite: str, tmp_path: Any, storage: str
    ) -> None:
        backend = {
            "memory": lambda: None,
            "sqlite": lambda: sqlite,
            "journal": lambda: JournalStorage(JournalFileBackend(str(tmp_path / "log"))),
        }[storage]()
        expected, study = make_study(), make_study(storage=backend)
        assert subnets(study.ask_batch(7)) == subnets(expected.ask_batch(7))
        study.search(100)
        expected.search(100)
        assert list(study.front()) == list(expected.front())

    def test_a_small_space_is_given_out_once(
        self, make_study: Make, small_space: SearchSpace
    ) -> None:
        study = make_study(small_space)
        study.search(100)
        assert len(set(subnets(study.ask_batch(200) + study.ask_batch(200)))) == 243
        with pytest.raises(SearchSpaceExhaustedError, match=r"All 243 subnets .* being evaluated"):
            study.ask_batch(1)

    def test_a_search_goes_on_beside_it(self, make_study: Make, small_space: SearchSpace) -> None:
        study = make_study(small_space)
        asked = study.ask_batch(43)
        study.search(300)
        searched = [Subnet.from_dict(t.user_attrs["subnet"]) for t in study.trials[43:]]
        assert len(set(subnets(asked)) | set(searched)) == 243
        assert len(searched) == 200

    def test_what_runs_in_a_plain_trial_is_not_given(
        self, make_study: Make, small_space: SearchSpace
    ) -> None:
        study = make_study(small_space)
        other = small_space.suggest(study.ask())
        assert other not in subnets(study.ask_batch(243))

    def test_feasible_ones_come_first(self, make_study: Make, small_space: SearchSpace) -> None:
        study = make_study(small_space, constraints={"latency_ms": 16.0})
        asked = study.ask_batch(243)
        latency = [a.predicted["latency_ms"] for a in asked]
        n_feasible = sum(value <= 16.0 for value in latency)
        assert 0 < n_feasible < 243
        assert max(latency[:n_feasible]) <= 16.0
        assert latency[n_feasible:] == sorted(latency[n_feasible:])

    def test_an_unreachable_constraint_is_refused(self, make_study: Make) -> None:
        study = make_study(constraints={"latency_ms": 0.5})
        with pytest.raises(InfeasibleConstraintError, match="smallest reachable value"):
            study.ask_batch(2)
        assert study.trials == []

    def test_one_objective(self, make_study: Make) -> None:
        study = make_study(objectives=["top1"], constraints={"latency_ms": 25.0})
        asked = study.ask_batch(4)
        study.tell_batch(asked, [70.0, 71.0, 72.0, 73.0])
        assert study.front(kind="measured")[0].subnet == asked[3].subnet

    def test_subnets_that_cannot_be_predicted_are_left_out(
        self, make_study: Make, predictor: Callable[..., Predictor], space: SearchSpace
    ) -> None:
        params = CostPredictor("n_params", space)

        def formula(matrix: Matrix) -> NDArray[np.float64]:
            values = params.predict(matrix)
            if (values > 5e6).any():
                raise OSError("too large")
            return values / 1e6

        study = make_study(accuracy=predictor("top1", space, formula))
        with pytest.warns(FailedPredictionWarning, match="error is OSError: too large"):
            asked = study.ask_batch(5)
        assert (params.predict(space.to_matrix(subnets(asked))) <= 5e6).all()

    @pytest.mark.parametrize("n", [0, -1, 2.5, "3"], ids=str)
    def test_how_many_must_be_a_whole_number(self, make_study: Make, n: Any) -> None:
        with pytest.raises(InvalidArgumentError, match=r"`n` must be a whole number of at least 1"):
            make_study().ask_batch(n)


class TestTelling:
    def test_trials_become_measured_with_the_predictions_beside(
        self, make_study: Make, url: str, names: Callable[[], str]
    ) -> None:
        study = make_study(storage=url, study_name=names())
        study.search(50)
        asked = study.ask_batch(4)
        study.tell_batch(asked, measure(asked))
        trials = optuna.load_study(study_name=study.study_name, storage=url).trials[50:]
        assert [t.state for t in trials] == [TrialState.COMPLETE] * 4
        np.testing.assert_allclose([t.values for t in trials], measure(asked), rtol=1e-12)
        assert {t.user_attrs["kind"] for t in trials} == {"measured"}
        assert [t.user_attrs["predicted"] for t in trials] == [a.predicted for a in asked]
        assert {p.subnet for p in study.front(kind="measured")} == set(subnets(asked))
        assert len(study.results(kind="predicted").numbers) == 50

    def test_in_parts_and_in_any_order(self, make_study: Make) -> None:
        study = make_study()
        asked = study.ask_batch(5)
        values = np.array(measure(asked))
        for part in ([3], [4, 0], [2, 1]):
            study.tell_batch([asked[i] for i in part], values[part])
        assert [t.values for t in study.trials] == values.tolist()

    @pytest.mark.parametrize(
        "row", [None, [np.nan, np.nan], [70.0, np.nan], [None, 20.0], np.nan], ids=str
    )
    def test_what_could_not_be_measured_fails(self, make_study: Make, row: Any) -> None:
        study = make_study()
        study.tell_batch(study.ask_batch(2), [row, [70.0, 20.0]])
        assert states(study) == [TrialState.FAIL, TrialState.COMPLETE]
        assert study.trials[0].user_attrs["error"] == "not measured"
        assert len(study.results().numbers) == 1

    def test_what_has_failed_is_not_given_again(
        self, make_study: Make, small_space: SearchSpace, sqlite: str
    ) -> None:
        study = make_study(small_space, storage=sqlite, study_name="a")
        asked = study.ask_batch(2)
        study.tell_batch(asked, [None, [70.0, 20.0]])
        again = make_study(small_space, storage=sqlite, study_name="a", load_if_exists=True)
        assert len(set(subnets(again.ask_batch(243))) | set(subnets(asked))) == 243
        assert len(again.trials) == 243

    def test_constraints_on_objectives_follow_the_measurement(self, make_study: Make) -> None:
        study = make_study(constraints={"latency_ms": 30.0, "top1": 71.0})
        study.tell_batch(study.ask_batch(2), [[72.0, 33.5], [70.0, 29.0]])
        assert [t.constraints for t in study.trials] == [
            {"0": 3.5, "latency_ms": 3.5, "top1": -1.0},  # "0": how much in all, see `_violations`
            {"0": 1.0, "latency_ms": -1.0, "top1": 1.0},
        ]

    def test_other_constraints_are_given_or_predicted(self, make_study: Make) -> None:
        study = make_study(constraints={"n_params": 6e6, "n_macs": 5e8})
        asked = study.ask_batch(3)
        measured = {"n_params": [7e6, np.nan, 5e6]}
        study.tell_batch(asked, measure(asked), constraints=measured)
        found = [t.constraints for t in study.trials]
        expected = [1e6, asked[1].predicted["n_params"] - 6e6, -1e6]
        assert [c["n_params"] for c in found] == pytest.approx(expected)
        macs = [a.predicted["n_macs"] - 5e8 for a in asked]
        assert [c["n_macs"] for c in found] == pytest.approx(macs)

    @pytest.mark.filterwarnings("ignore:The constraint value is ignored:UserWarning")
    def test_trials_are_those_that_optuna_would_finish(
        self, make_study: Make, url: str, names: Callable[[], str]
    ) -> None:
        constraints = {"latency_ms": 30.0, "n_params": 6e6}
        before = datetime.datetime.now() - datetime.timedelta(seconds=1)
        for tables in (True, False):
            study = make_study(storage=url, study_name=names(), constraints=constraints)
            asked = study.ask_batch(4)
            asked[0].trial.set_user_attr("kind", "a guess")
            asked[1].trial.set_constraint("n_params", 3.0)
            asked[1].trial.set_user_attr("note", "warm")
            if not tables:
                theirs = publicly(study)
            else:
                ours = study
            study.tell_batch([*asked[:2], asked[3]], [*measure(asked[:2]), None])
        for a, b in zip(ours.trials, theirs.trials, strict=True):
            assert (a.number, a.state, a.params) == (b.number, b.state, b.params)
            assert a.values == b.values
            assert (a.user_attrs, unmarked(a)) == (b.user_attrs, unmarked(b))
            assert (a.datetime_complete is None) == (b.datetime_complete is None)
            done = a.datetime_complete
            assert done is None or before <= done <= datetime.datetime.now()

    def test_a_batch_is_written_at_once_or_not_at_all(
        self, make_study: Make, url: str, names: Callable[[], str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        study = make_study(storage=url, study_name=names(), constraints={"n_params": 6e6})
        asked = study.ask_batch(3)
        before = study.trials
        insert = _write.Inserter.insert

        def fail(self: _write.Inserter, table: sa.Table, *rows: Any) -> None:
            if table.name == "trial_values":
                raise sa.exc.OperationalError("", {}, Exception("disk full"))
            insert(self, table, *rows)

        with monkeypatch.context() as patch:
            patch.setattr(_write.Inserter, "insert", fail)
            with pytest.raises(StorageError, match=r"3 trials were not written .* disk full"):
                study.tell_batch(asked, [*measure(asked[:2]), None])
        assert study.trials == before
        commits: list[object] = []
        sa.event.listen(relational(study._storage).engine, "commit", commits.append)
        study.tell_batch(asked, [*measure(asked[:2]), None])
        assert len(commits) == 1
        assert states(study) == [TrialState.COMPLETE] * 2 + [TrialState.FAIL]

    def test_nothing_to_tell_is_told(self, make_study: Make) -> None:
        study = make_study()
        study.ask_batch(2)
        study.tell_batch([], [])
        assert states(study) == [TrialState.RUNNING] * 2


class TestWrongTelling:
    """Nothing is written when anything is wrong."""

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ([[70.0, 20.0]], r"`values` must have a row for each of 2 subnets, but has 1"),
            ([[70.0, 20.0], [70.0]], r"`values\[1\]` must be one number for each of top1, lat"),
            ([[70.0, 20.0], 70.0], r"`values\[1\]` must be one number for each of top1, lat"),
            ([[70.0, 20.0], ["a", 2.0]], r"`values\[1\]` must be numbers, but got \['a'"),
            ([[70.0, 20.0], [70.0, np.inf]], r"`values\[1\]` must be finite, .* got \[70.0, inf"),
            ([[70.0, 20.0], [70.0, -3.0]], r"`values\[1\]` must be positive, .* latency_ms -3"),
            ([[70.0, 20.0], [70.0, 0.0]], r"`values\[1\]` must be positive, .* latency_ms 0"),
            ([[7000.0, 20.0], None], r"`values\[0\]` must be in percent, .* got top1 7000"),
            ([[-1.0, 20.0], None], r"`values\[0\]` must be in percent, .* got top1 -1"),
            ([[True, 20.0], None], r"`values\[0\]` must be numbers, but got \[True, 20.0\]"),
            ([np.array([False, True]), None], r"`values\[0\]` must be numbers"),
            ([["70", "20"], None], r"`values\[0\]` must be numbers"),
            (["70", None], r"`values\[0\]` must be numbers"),
        ],
        ids=[
            *("rows", "columns", "number", "text", "infinite", "negative", "zero", "7000 %"),
            *("negative top1", "boolean", "booleans", "texts", "one text"),
        ],
    )
    def test_values(self, make_study: Make, values: Any, message: str) -> None:
        study = make_study()
        asked = study.ask_batch(2)
        before = study.trials
        with pytest.raises(InvalidArgumentError, match=message):
            study.tell_batch(asked, values)
        assert study.trials == before

    @pytest.mark.parametrize(
        ("constraints", "message"),
        [
            ({"latency_ms": [1.0, 2.0]}, r"that are not objectives, \['n_macs'\], .*'latency_ms'"),
            ({"n_params": [1.0, 2.0]}, r"`constraints` must be of constrained .*'n_params'"),
            ({"n_macs": [1.0]}, r"`constraints\['n_macs'\]` must be 2 numbers"),
            ({"n_macs": [1.0, "a"]}, r"`constraints\['n_macs'\]` must be numbers"),
            ({"n_macs": [1.0, np.inf]}, r"`constraints\['n_macs'\]` must be 2 numbers, NaN where"),
            ({"n_macs": [1.0, -1.0]}, r"`constraints\['n_macs'\]` must be positive, .* -1"),
            ({"n_macs": [True, 1.0]}, r"`constraints\['n_macs'\]` must be numbers"),
        ],
        ids=["objective", "no-constraint", "length", "text", "infinite", "negative", "boolean"],
    )
    def test_constraints(self, make_study: Make, constraints: Any, message: str) -> None:
        study = make_study(constraints={"n_macs": 5e8, "latency_ms": 30.0})
        asked = study.ask_batch(2)
        before = study.trials
        with pytest.raises(InvalidArgumentError, match=message):
            study.tell_batch(asked, measure(asked), constraints=constraints)
        assert study.trials == before

    def test_columns_in_each_others_place(self, make_study: Make) -> None:
        study = make_study()
        asked = study.ask_batch(2)
        before = study.trials
        rows = [row[::-1] for row in measure(asked)]
        with pytest.raises(InvalidArgumentError, match="`values` must have top1 and latency_ms in"):
            study.tell_batch(asked, rows)
        assert study.trials == before

    def test_fractions_are_warned_of(self, make_study: Make) -> None:
        study = make_study()
        asked = study.ask_batch(2)
        rows = [[top1 / 100, latency] for top1, latency in measure(asked)]
        with pytest.warns(
            ImplausibleValueWarning, match=r"`values\[:, 0\]` is probably a fraction"
        ):
            study.tell_batch(asked, rows)
        assert states(study) == [TrialState.COMPLETE] * 2

    def test_telling_twice(self, make_study: Make) -> None:
        study = make_study()
        asked = study.ask_batch(2)
        study.tell_batch(asked[1:], measure(asked[1:]))
        before = study.trials
        with pytest.raises(InvalidArgumentError, match=r"told once, but trial 1 is COMPLETE"):
            study.tell_batch(asked, measure(asked))
        assert study.trials == before

    def test_one_subnet_twice_in_a_batch(self, make_study: Make) -> None:
        study = make_study()
        asked = study.ask_batch(2)
        twice = [asked[0], asked[1], asked[0]]
        with pytest.raises(InvalidArgumentError, match="trial 0 occurs 2 times"):
            study.tell_batch(twice, measure(twice))
        assert states(study) == [TrialState.RUNNING] * 2

    def test_something_of_another_study(self, make_study: Make) -> None:
        study, other = make_study(study_name="a"), make_study(study_name="b")
        study.ask_batch(1)
        asked = other.ask_batch(1)
        with pytest.raises(InvalidArgumentError, match="trials of 'a', but trial 0 is of 'b'"):
            study.tell_batch(asked, measure(asked))
        assert states(study) == states(other) == [TrialState.RUNNING]

    @pytest.mark.parametrize("n", [0, 1], ids=["no-trial", "another-trial"])
    def test_something_of_a_study_of_that_name_elsewhere(self, make_study: Make, n: int) -> None:
        study, other = make_study(study_name="a", seed=1), make_study(study_name="a", seed=2)
        study.search(n)
        asked = other.ask_batch(2)[1:]
        with pytest.raises(InvalidArgumentError, match="this study's storage, but its trial 1"):
            study.tell_batch(asked, measure(asked))


class TestHeartbeat:
    @pytest.fixture
    def storage(self, url: str) -> RDBStorage:
        with pytest.warns(optuna.exceptions.ExperimentalWarning, match="heartbeat"):
            return RDBStorage(url, heartbeat_interval=60)

    def _die(self, storage: RDBStorage, asked: list[Asked]) -> None:
        """Make the last heartbeats an hour old."""
        table = models.TrialHeartbeatModel.__table__
        with storage.engine.begin() as connection:
            now = connection.execute(sa.select(sa.func.now())).scalar_one().replace(tzinfo=None)
            ids = [a.trial._trial_id for a in asked]
            connection.execute(
                sa.update(table)
                .where(table.c.trial_id.in_(ids))
                .values(heartbeat=now - datetime.timedelta(hours=1))
            )

    def test_trials_of_the_living_go_on(
        self, make_study: Make, storage: RDBStorage, names: Callable[[], str]
    ) -> None:
        study = make_study(storage=storage, study_name=names())
        asked = study.ask_batch(2)
        study.ask_batch(2)
        assert states(study) == [TrialState.RUNNING] * 4
        study.tell_batch(asked, measure(asked))
        assert states(study)[:2] == [TrialState.COMPLETE] * 2

    def test_trials_of_the_dead_are_failed_and_their_subnets_given_again(
        self, make_study: Make, storage: RDBStorage, names: Callable[[], str]
    ) -> None:
        name = names()
        study = make_study(storage=storage, study_name=name)
        asked = study.ask_batch(3)
        asked[0].trial.set_user_attr("kind", "measured")  # died while it told
        self._die(storage, asked[:2])
        other = make_study(storage=storage, study_name=name, load_if_exists=True)
        again = other.ask_batch(3)
        expected = [TrialState.FAIL] * 2 + [TrialState.RUNNING] * 4
        assert states(study) == expected
        assert set(subnets(asked[:2])) <= set(subnets(again))
        with pytest.raises(InvalidArgumentError, match="told once, but trial 0 is FAIL"):
            study.tell_batch(asked, measure(asked))

    def test_what_was_told_to_have_failed_is_not_given_again(
        self, make_study: Make, storage: RDBStorage, names: Callable[[], str]
    ) -> None:
        study = make_study(storage=storage, study_name=names())
        asked = study.ask_batch(2)
        plain = optuna.load_study(study_name=study.study_name, storage=storage)
        plain.tell(asked[0].number, state=TrialState.FAIL)
        self._die(storage, asked[1:])
        again = subnets(study.ask_batch(3))
        assert asked[0].subnet not in again
        assert asked[1].subnet in again


class TestRetries(TestHeartbeat):
    """Optuna's callback makes trials of the dead anew, which wait to be measured."""

    @pytest.fixture
    def storage(self, url: str) -> RDBStorage:
        with pytest.warns(optuna.exceptions.ExperimentalWarning, match="Retry"):
            retry = RetryHeartbeatStaleTrialCallback(max_retry=1)
        with pytest.warns(optuna.exceptions.ExperimentalWarning, match="heartbeat"):
            return RDBStorage(url, heartbeat_interval=60, heartbeat_stale_trial_callback=retry)

    def test_trials_of_the_dead_are_failed_and_their_subnets_given_again(
        self, make_study: Make, storage: RDBStorage, names: Callable[[], str]
    ) -> None:
        study = make_study(storage=storage, study_name=names())
        asked = study.ask_batch(3)
        self._die(storage, asked[:2])
        again = study.ask_batch(3)
        assert subnets(again[:2]) == subnets(asked[:2])
        assert again[0].predicted == asked[0].predicted
        assert states(study) == [TrialState.FAIL] * 2 + [TrialState.RUNNING] * 4
        study.tell_batch(again, measure(again))
        assert {t.user_attrs["kind"] for t in study.trials[3:]} == {"measured"}
        assert TrialState.WAITING not in states(study)

    def test_what_was_told_to_have_failed_is_not_given_again(
        self, make_study: Make, storage: RDBStorage, names: Callable[[], str]
    ) -> None:
        study = make_study(storage=storage, study_name=names())
        asked = study.ask_batch(1)
        self._die(storage, asked)
        (again,) = study.ask_batch(1)
        assert again.subnet == asked[0].subnet
        self._die(storage, [again])  # for the last time
        assert asked[0].subnet not in subnets(study.ask_batch(3))

    def test_search_leaves_them_to_those_who_measure(
        self, make_study: Make, storage: RDBStorage, names: Callable[[], str]
    ) -> None:
        study = make_study(storage=storage, study_name=names())
        study.search(20)
        asked = study.ask_batch(2)
        self._die(storage, asked)
        study.store.fail_stale()
        enqueued = study.space.to_params(study.space.sample(1, seed=5))[0]
        study.enqueue_trial(enqueued)
        study.search(10)
        predicted = [t.params for t in study.trials[22:] if t.user_attrs.get("kind") == "predicted"]
        assert enqueued in predicted
        assert len(predicted) == 10
        lost = [study.trials[one.number].params for one in asked]
        assert not any(params in predicted for params in lost)
        assert states(study).count(TrialState.WAITING) == 2
        assert subnets(study.ask_batch(2)) == subnets(asked)

    def test_optimize_measures_them(
        self, make_study: Make, storage: RDBStorage, names: Callable[[], str]
    ) -> None:
        study = make_study(storage=storage, study_name=names())
        asked = study.ask_batch(1)
        self._die(storage, asked)
        found: list[Subnet] = []

        def objective(trial: optuna.Trial) -> tuple[float, float]:
            found.append(study.space.suggest(trial))
            return 75.0, 20.0

        study.optimize(objective, n_trials=1)
        assert found == subnets(asked)
        assert [p.subnet for p in study.front()] == found


def test_slightly_infeasible_subnets_do_not_count_as_a_front(make_study: Make) -> None:
    problem = make_study(constraints={"latency_ms": 20.0}).problem
    matrix = problem.space.sample(3, seed=0)
    values = np.array([[70.0, 19.0], [75.0, 20.5], [76.0, 21.0]])
    known = Evaluated.of(matrix, values, values[:, 1:] - 20.0)
    assert _n_on_front(problem, known, matrix[:0]) == 1
    assert _n_on_front(problem, known, matrix[:1]) == 0
    assert _n_on_front(problem, known, matrix[1:]) == 1
