"""Several devices measure the subnets of a study at the same time."""

from __future__ import annotations

import _thread
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

import optuna_ofa
from optuna_ofa import Metric, SearchSpace, Subnet, SubnetStudy
from optuna_ofa._progress import progress_bar
from optuna_ofa.exceptions import (
    FailedMeasurementWarning,
    ImplausibleValueWarning,
    InvalidArgumentError,
    MeasurementError,
)
from optuna_ofa.space import Configuration
from optuna_ofa.studies._budget import Budget
from optuna_ofa.studies._devices import Given, Job, Returned
from optuna_ofa.studies._measure_batches import Measuring

Make = Callable[..., SubnetStudy]


@pytest.fixture(autouse=True)
def _few_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first choice of a study searches for fewer candidates, which takes most of the time."""
    monkeypatch.setattr("optuna_ofa.studies._stock._N_PROPOSED", 50)


def truth(study: SubnetStudy, subnet: Subnet) -> list[float]:
    """What a phone measures: 10 % slower than predicted, a point less accurate."""
    values = study.problem.evaluate(study.space.to_matrix([subnet])).values[0]
    return [float(v) for v in values * [1.0, *[1.1] * (len(values) - 1)] - np.eye(len(values))[0]]


class Phone:
    """A fake phone.

    Args:
        study: Has the values.
        n_errors: How often it raises at first; -1 for ever.
        bad: Subnets by which it fails.
        seconds: How long a measurement takes.
    """

    def __init__(
        self,
        study: SubnetStudy,
        *,
        n_errors: int = 0,
        bad: Callable[[Subnet], bool] = lambda _: False,
        seconds: float = 0.0,
    ) -> None:
        self.study, self.n_errors, self.bad, self.seconds = study, n_errors, bad, seconds
        self.given: list[Subnet] = []
        self.most = self.now = 0
        self._lock = threading.Lock()

    def measure(self, subnet: Subnet) -> Any:
        with self._lock:
            self.given.append(subnet)
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(self.seconds)
        with self._lock:
            self.now -= 1
            fails = self.bad(subnet) or self.n_errors != 0
            self.n_errors -= self.n_errors > 0
        if fails:
            raise ConnectionError("unplugged")
        return truth(self.study, subnet)


def phones(study: SubnetStudy, n: int, **options: Any) -> dict[str, Phone]:
    return {f"phone-{i}": Phone(study, **options) for i in range(n)}


def states(study: optuna.Study) -> Counter[str]:
    return Counter(trial.state.name for trial in study.trials)


def subnets(study: SubnetStudy, state: TrialState = TrialState.COMPLETE) -> list[Subnet]:
    trials = study.get_trials(states=(state,))
    return [Subnet.from_dict(trial.user_attrs["subnet"]) for trial in trials]


class TestMeasuring:
    @pytest.mark.parametrize("storage", ["memory", "sqlite"])
    def test_each_trial_says_which_device_measured_it(
        self, make_study: Make, sqlite: str, storage: str
    ) -> None:
        study = make_study(storage=None if storage == "memory" else sqlite)
        devices = phones(study, 3, seconds=0.01)
        measured = study.measure_batches(devices, n=12)
        assert states(study) == {"COMPLETE": 12}
        assert Counter(t.user_attrs["device"] for t in study.trials) == measured
        for trial in study.trials:
            subnet = Subnet.from_dict(trial.user_attrs["subnet"])
            assert subnet in devices[trial.user_attrs["device"]].given
            assert trial.values == pytest.approx(truth(study, subnet))
            assert trial.user_attrs["kind"] == "measured"
        assert min(measured.values()) > 0
        assert len(set(subnets(study))) == 12

    def test_functions_and_numbers_by_metric_with_deviations(self, make_study: Make) -> None:
        study = make_study(
            objectives=["top1", "latency_ms", "n_macs"], constraints={"n_params": 6e6}
        )

        def phone(subnet: Subnet) -> dict[str, Any]:
            return {"latency_ms": (21.0, 0.5), "top1": 70.0, "n_params": 5e6}

        assert study.measure_batches({"a": phone}, n=2) == {"a": 2}
        for trial in study.trials:
            subnet = Subnet.from_dict(trial.user_attrs["subnet"])
            n_macs = study.problem.predict("n_macs", study.space.to_matrix([subnet]))[0]
            assert trial.values == [70.0, 21.0, n_macs]
            assert trial.user_attrs["measured_std"] == {"latency_ms": 0.5}
            assert trial.constraints["n_params"] == pytest.approx(-1e6)

    @pytest.mark.parametrize("in_flight", [1, 3])
    def test_no_device_has_more_than_it_can_take(self, make_study: Make, in_flight: int) -> None:
        study = make_study()
        devices = phones(study, 2, seconds=0.05)
        study.measure_batches(devices, n=14, in_flight=in_flight)
        assert [phone.most for phone in devices.values()] == [in_flight] * 2

    def test_no_more_is_begun_than_is_wanted(self, make_study: Make) -> None:
        study = make_study()
        devices = phones(study, 5, seconds=0.02)
        assert sum(study.measure_batches(devices, n=3).values()) == 3
        assert sum(len(phone.given) for phone in devices.values()) == len(study.trials) == 3

    def test_models_learn_on_the_way(self, make_study: Make) -> None:
        study = make_study(sampler=None, learn=True, seed=0)
        study.measure_batches(phones(study, 3), n=20)
        ratios = [t.user_attrs["predicted"]["latency_ms"] / t.values[1] for t in study.trials]
        assert ratios[:8] == pytest.approx([1 / 1.1] * 8)
        assert ratios[-3:] == pytest.approx([1.0] * 3, abs=0.02)

    @pytest.mark.parametrize("learn", [False, True])
    def test_a_table_of_choices_without_predictors(self, learn: bool) -> None:
        space = SearchSpace.of_choices({name: [1, 2, 3, 4] for name in "abcd"})
        metrics = [Metric("quality", direction="maximize"), Metric("energy", direction="minimize")]
        study = optuna_ofa.study(space, objectives=metrics, learn=learn, seed=0)

        def board(configuration: Configuration) -> dict[str, float]:
            total = sum(int(value) for value in configuration.values())
            return {"quality": total, "energy": total * 2.0}

        assert sum(study.measure_batches({"a": board, "b": board}, n=14).values()) == 14
        assert states(study) == {"COMPLETE": 14}

    def test_ends_where_no_subnet_is_left(self, make_study: Make, space: SearchSpace) -> None:
        few = space.restrict(kernel=3, expand=3, depth=[2, 3])
        study = make_study(few)
        measured = study.measure_batches(phones(study, 2), n=1000)
        assert sum(measured.values()) == few.n_subnets
        assert states(study) == {"COMPLETE": few.n_subnets}

    def test_two_callers_share_a_study(self, make_study: Make, sqlite: str) -> None:
        make_study(storage=sqlite, study_name="rack")

        def call(name: str) -> int:
            study = make_study(storage=sqlite, study_name="rack", load_if_exists=True)
            device = Phone(study, seconds=0.02)
            return sum(study.measure_batches({name: device}, n=6).values())

        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(call, "ab")) == [6, 6]
        study = make_study(storage=sqlite, study_name="rack", load_if_exists=True)
        assert states(study) == {"COMPLETE": 12}
        assert len(set(subnets(study))) == 12

    def test_threads_share_a_study(self, make_study: Make) -> None:
        study = make_study()

        def call(name: str) -> int:
            return sum(study.measure_batches({name: Phone(study, seconds=0.01)}, n=5).values())

        with ThreadPoolExecutor(3) as pool:
            assert list(pool.map(call, "abc")) == [5, 5, 5]
        assert states(study) == {"COMPLETE": 15}
        assert len(set(subnets(study))) == 15

    def test_callbacks_take_finished_trials_and_may_stop(self, make_study: Make) -> None:
        study, seen = make_study(), []

        def callback(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
            seen.append((trial.number, trial.state))
            if len(seen) == 4:
                study.stop()

        measured = study.measure_batches(phones(study, 2), n=50, callbacks=[callback])
        assert 4 <= sum(measured.values()) == len(seen) <= 5
        assert {state for _, state in seen} == {TrialState.COMPLETE}

    def test_nothing_begins_after_the_time(self, make_study: Make) -> None:
        study = make_study()
        assert study.measure_batches(phones(study, 2), n=5, timeout=0) == {
            "phone-0": 0,
            "phone-1": 0,
        }
        measured = study.measure_batches(phones(study, 2, seconds=0.3), n=1000, timeout=0.5)
        assert states(study) == {"COMPLETE": sum(measured.values())}


class Model(Phone):
    """A phone of a model.

    Args:
        study: Has the values.
        factor: Its latencies, relative to those of `Phone`.
        scatter: Their standard deviation, as a part of them.
        seed: Its seed.
    """

    def __init__(
        self, study: SubnetStudy, factor: float, scatter: float = 0.0, seed: int = 0
    ) -> None:
        super().__init__(study)
        self._factor, self._scatter, self._rng = factor, scatter, np.random.default_rng(seed)

    def measure(self, subnet: Subnet) -> Any:
        top1, latency_ms = super().measure(subnet)
        return top1, latency_ms * self._factor * (1 + self._scatter * self._rng.standard_normal())


class TestKinds:
    """A study has the numbers of devices of one kind, and says of which."""

    def test_points_and_reports_name_the_device(self, make_study: Make, tmp_path: Path) -> None:
        study = make_study(objectives=["top1", "latency_ms", "n_macs"])
        study.measure_batches({"pixel <3>": lambda _: {"top1": 70, "latency_ms": 7}}, n=2)
        point = study.front()[0]
        assert "(measured on pixel <3>, n_macs exact)" in str(point)
        assert set(point.origin) == {"top1", "latency_ms"}
        assert "measured on pixel &lt;3&gt;" in point._repr_html_()
        page = study.report(tmp_path / "a.html").read_text()
        assert "on the device &#x27;pixel &lt;3&gt;&#x27;" in page

    def test_measured_constraints_are_of_the_device_too(self, make_study: Make) -> None:
        study = make_study(objectives=["top1", "n_macs"], constraints={"latency_ms": 50})
        study.measure_batches({"a": lambda _: {"top1": 70, "latency_ms": 7.0}}, n=1)
        point = study.front()[0]
        assert point.limited == {"latency_ms": 7.0}

    @pytest.mark.parametrize("learn", [False, True])
    def test_other_models_are_warned_of(self, make_study: Make, learn: bool) -> None:
        study = make_study(sampler=None, learn=learn, seed=0)
        devices = {"slow": Model(study, 1.6, 0.05), "fast": Model(study, 1.0, 0.05, seed=1)}
        with pytest.warns(
            ImplausibleValueWarning,
            match=r"latency_ms of the device 'slow' is 1\.[4-8]\d* times that of 'fast'",
        ):
            study.measure_batches(devices, n=24)

    def test_also_of_other_calls(self, make_study: Make, sqlite: str) -> None:
        study, again = (
            make_study(storage=sqlite, study_name="rack", load_if_exists=True) for _ in range(2)
        )
        study.measure_batches({"one": Model(study, 1.0)}, n=5)
        with pytest.warns(ImplausibleValueWarning, match="'other' .* 'one'"):
            again.measure_batches({"other": Model(study, 1.5)}, n=5)
        again.measure_batches({"third": Model(study, 1.2)}, n=2)  # too few to tell

    @pytest.mark.parametrize(("factor", "scatter"), [(1.1, 0.02), (1.3, 0.2)])
    def test_devices_of_one_model_differ_a_little(
        self, make_study: Make, factor: float, scatter: float
    ) -> None:
        study = make_study()
        devices = {"a": Model(study, 1.0, scatter), "b": Model(study, factor, scatter, seed=1)}
        study.measure_batches(devices, n=12)


class TestFailures:
    def test_a_dead_device_is_given_up_and_its_subnets_go_to_others(self, make_study: Make) -> None:
        study = make_study()
        devices = {**phones(study, 2, seconds=0.02), "dead": Phone(study, n_errors=-1)}
        with pytest.warns(FailedMeasurementWarning, match=r"devices\['dead'\]` has failed 3 times"):
            measured = study.measure_batches(devices, n=15)
        assert sum(measured.values()) == 15
        assert measured["dead"] == 0
        assert len(devices["dead"].given) == 3
        assert set(devices["dead"].given) <= set(subnets(study))
        assert states(study) == {"COMPLETE": 15}

    def test_a_device_that_recovers_is_used_again(self, make_study: Make) -> None:
        study = make_study()
        devices = {"a": Phone(study, seconds=0.02), "b": Phone(study, n_errors=2, seconds=0.02)}
        measured = study.measure_batches(devices, n=12)
        assert measured["b"] > 0
        assert states(study) == {"COMPLETE": 12}

    def test_a_device_that_comes_back_after_a_pause_is_used_again(
        self, make_study: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("optuna_ofa.studies._devices.REST_S", 0.001)
        study, is_back = make_study(), threading.Event()
        restarting = Phone(study, n_errors=5)

        def slow(subnet: Subnet) -> Any:  # returns nothing that would end the wait
            assert is_back.wait(20)
            return truth(study, subnet)

        def phone(subnet: Subnet) -> Any:
            values = restarting.measure(subnet)
            is_back.set()
            return values

        with pytest.warns(FailedMeasurementWarning) as warned:
            measured = study.measure_batches({"slow": slow, "phone": phone}, n=12)
        assert measured["phone"] > 0
        assert states(study) == {"COMPLETE": 12}
        texts = [str(one.message) for one in warned]
        assert [text.partition(", the")[0] for text in texts] == [
            "`devices['phone']` has failed 3 times in a row",
            "`devices['phone']` has failed again",
            "`devices['phone']` has failed again",
        ]
        assert [re.findall(r"for \S+ s", text) for text in texts] == [
            ["for 0.001 s"],
            ["for 0.002 s"],
            ["for 0.004 s"],
        ]

    @pytest.mark.parametrize("n_devices", [1, 3])
    def test_without_devices_the_subnets_can_be_asked_again(
        self, make_study: Make, n_devices: int
    ) -> None:
        study = make_study()
        devices = phones(study, n_devices, n_errors=-1)
        with (
            pytest.warns(FailedMeasurementWarning, match="3 times in a row"),
            pytest.raises(MeasurementError, match=r"No device is left: .*unplugged") as error,
        ):
            study.measure_batches(devices, n=10)
        assert isinstance(error.value.__cause__, ConnectionError)
        assert set(states(study)) == {"FAIL"}
        assert {trial.user_attrs["error"] for trial in study.trials} == {"released"}
        released = subnets(study, TrialState.FAIL)
        assert set(released) & {one.subnet for one in study.ask_batch(len(released))}

    @pytest.mark.parametrize("n_devices", [1, 3])
    def test_a_subnet_that_no_device_can_measure_fails(
        self, make_study: Make, n_devices: int
    ) -> None:
        study = make_study()
        (bad,) = (one.subnet for one in make_study().ask_batch(1))
        devices = phones(study, n_devices, bad=lambda subnet: subnet == bad)
        with pytest.warns(FailedMeasurementWarning, match="1 subnets could not be measured"):
            measured = study.measure_batches(devices, n=9)
        assert sum(measured.values()) == 9
        assert all(phone.given.count(bad) == 1 for phone in devices.values())
        (failed,) = study.get_trials(states=(TrialState.FAIL,))
        assert failed.user_attrs["error"].count("ConnectionError: unplugged") == n_devices
        assert bad not in {one.subnet for one in study.ask_batch(20)}

    def test_none_fails_a_subnet_at_once(self, make_study: Make) -> None:
        study = make_study()
        given: list[Subnet] = []

        def phone(subnet: Subnet) -> list[float] | None:
            given.append(subnet)
            return None if len(given) in (2, 3) else truth(study, subnet)

        with pytest.warns(FailedMeasurementWarning, match=r"2 subnets .*: not measured"):
            assert study.measure_batches({"a": phone}, n=4) == {"a": 4}
        assert states(study) == {"COMPLETE": 4, "FAIL": 2}
        assert {t.user_attrs.get("device") for t in study.trials} == {"a"}

    def test_nan_is_none_and_pairs_have_deviations(self, make_study: Make) -> None:
        study = make_study()
        returned = [float("nan"), ((70.0, 0.1), 20.0), np.array([71.0, 21.0]), ([72.0], (22.0,))]
        with pytest.warns(FailedMeasurementWarning, match="1 subnets"):
            study.measure_batches({"a": lambda _: returned.pop(0)}, n=3)
        assert [t.values for t in study.trials] == [None, [70.0, 20.0], [71.0, 21.0], [72.0, 22.0]]
        deviations = [trial.user_attrs.get("measured_std") for trial in study.trials]
        assert deviations == [None, {"top1": 0.1}, None, None]

    def test_what_does_not_return_in_time_goes_to_another_device(
        self, make_study: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        study, clock = make_study(), SimpleNamespace(now=0.0)
        for module in ("_devices", "_measure_batches"):
            monkeypatch.setattr(
                f"optuna_ofa.studies.{module}.time", SimpleNamespace(monotonic=lambda: clock.now)
            )
        released, is_used_again = threading.Event(), threading.Event()
        given: dict[str, list[Subnet]] = {"hangs": [], "works": []}

        def hangs(subnet: Subnet) -> list[float]:
            given["hangs"].append(subnet)
            if len(given["hangs"]) > 1:
                is_used_again.set()
            else:
                released.wait(20)
            return truth(study, subnet)

        def works(subnet: Subnet) -> list[float]:
            given["works"].append(subnet)
            if len(given["works"]) > 1:
                released.set()
                is_used_again.wait(20)
            return truth(study, subnet)

        def callback(_: Any, trial: optuna.trial.FrozenTrial) -> None:
            clock.now = 100.0  # "works" has nothing just then

        with pytest.warns(FailedMeasurementWarning, match=r"devices\['hangs'\]` does not return"):
            study.measure_batches(
                {"hangs": hangs, "works": works}, n=4, measurement_timeout=60, callbacks=[callback]
            )
        assert is_used_again.is_set()
        assert states(study) == {"COMPLETE": 4}
        assert len(set(subnets(study))) == 4
        assert given["works"][1] == given["hangs"][0]
        devices = {
            Subnet.from_dict(t.user_attrs["subnet"]): t.user_attrs["device"] for t in study.trials
        }
        assert devices[given["hangs"][0]] == "works"

    def test_a_device_that_never_returns_is_given_up(self, make_study: Make) -> None:
        study, released = make_study(), threading.Event()
        with (
            pytest.warns(FailedMeasurementWarning, match=r"TimeoutError: no result within 0.05 s"),
            pytest.raises(MeasurementError, match=r"No device is left: .* or did not return"),
        ):
            study.measure_batches({"a": lambda _: released.wait(20)}, n=2, measurement_timeout=0.05)
        released.set()
        assert [trial.user_attrs["error"] for trial in study.trials] == ["released"]

    def test_a_trial_that_another_process_has_ended_is_left_to_it(self, make_study: Make) -> None:
        study = make_study()

        def phone(subnet: Subnet) -> list[float]:
            if len(study.trials) == 2:
                optuna.Study.tell(study, 1, state=TrialState.FAIL)
            return truth(study, subnet)

        with pytest.warns(FailedMeasurementWarning, match=r"Trial 1, .* was ended by another"):
            assert study.measure_batches({"a": phone}, n=3) == {"a": 3}
        assert states(study) == {"COMPLETE": 3, "FAIL": 1}

    def test_it_ends_if_nothing_can_be_measured(self, make_study: Make) -> None:
        study = make_study()
        with pytest.raises(MeasurementError, match="20 subnets in a row could not be measured"):
            study.measure_batches({"a": lambda _: None, "b": lambda _: None}, n=1000)
        assert states(study)["RUNNING"] == 0

    @pytest.mark.parametrize(
        ("returned", "message"),
        [
            ([70.0], r"must be numbers by metric, or one number for each of top1, lat"),
            ("fast", r"must be numbers"),
            ({"top1": 70.0}, r"must have each objective that is not exact, but lacks 'latency_ms'"),
            ({"top1": 70.0, "latency_ms": 5.0, "mJ": 3.0}, r"must be of metrics .* but has 'mJ'"),
            ({"top1": 70.0, "latency_ms": -1.0}, r"for 'latency_ms' must be positive"),
            ({"top1": 70.0, "latency_ms": [1.0, 2.0, 3.0]}, r"or that and its standard deviation"),
            ({"top1": 70.0, "latency_ms": float("inf")}, r"must be a finite number"),
            ([20.0, 70.0], "exchanged"),
        ],
        ids=["short", "text", "missing", "unknown", "negative", "three", "infinite", "exchanged"],
    )
    def test_wrong_values_end_the_call_if_a_device_begins_with_them(
        self, make_study: Make, returned: Any, message: str
    ) -> None:
        study = make_study()
        study.measure_batches(phones(study, 1), n=3)
        with pytest.raises(
            InvalidArgumentError, match=rf"What `devices\['a'\]` returns.*{message}"
        ):
            study.measure_batches({"a": lambda _: returned}, n=9)
        assert states(study) == {"COMPLETE": 3, "FAIL": 1}

    @pytest.mark.parametrize("returned", [(70.0, -1.0), "fast"])
    def test_later_they_are_errors_of_the_device(self, make_study: Make, returned: Any) -> None:
        study = make_study()
        given: list[Subnet] = []

        def phone(subnet: Subnet) -> Any:
            given.append(subnet)
            return returned if len(given) in (3, 6, 7, 8) else truth(study, subnet)

        with (
            pytest.warns(FailedMeasurementWarning, match="3 times in a row, .*InvalidArgument"),
            pytest.raises(MeasurementError, match=r"No device is left: a failed .*InvalidArgument"),
        ):
            study.measure_batches({"a": phone}, n=9)
        errors = [t.user_attrs["error"] for t in study.get_trials(states=(TrialState.FAIL,))]
        assert states(study) == {"COMPLETE": 4, "FAIL": 4}
        assert errors[0].startswith("a: InvalidArgumentError: What `devices['a']` returns")
        assert errors[1:] == ["released"] * 3


@pytest.mark.usefixtures("usual_signals")
class TestInterruptions:
    @pytest.mark.parametrize("kind", ["memory", "sqlite", "journal"])
    def test_nothing_is_left_running(
        self, make_study: Make, sqlite: str, tmp_path: Path, kind: str
    ) -> None:
        journal = JournalStorage(JournalFileBackend(str(tmp_path / "log")))
        study = make_study(storage={"memory": None, "sqlite": sqlite, "journal": journal}[kind])
        devices = phones(study, 3, seconds=0.02)
        slow = threading.Event()

        def interrupting(subnet: Subnet) -> list[float]:
            if len(study.get_trials(states=(TrialState.COMPLETE,))) > 3:
                _thread.interrupt_main()
                slow.wait(20)
            return truth(study, subnet)

        with pytest.raises(KeyboardInterrupt):
            study.measure_batches({**devices, "last": interrupting}, n=1000)
        slow.set()
        assert set(states(study)) == {"COMPLETE", "FAIL"}
        failed = study.get_trials(states=(TrialState.FAIL,))
        assert {trial.user_attrs["error"] for trial in failed} == {"released"}
        n_measured = states(study)["COMPLETE"]
        study.measure_batches(phones(study, 2), n=5)
        assert states(study)["COMPLETE"] == n_measured + 5
        assert len(set(subnets(study))) == n_measured + 5

    @pytest.mark.parametrize("place", ["took", "tell"])
    def test_in_the_middle_of_a_step(
        self, make_study: Make, monkeypatch: pytest.MonkeyPatch, place: str
    ) -> None:
        study = make_study()
        method, calls = getattr(study.engine, place), []

        def interrupted(*args: Any, **options: Any) -> None:
            calls.append(place)
            if len(calls) == 3:
                raise KeyboardInterrupt
            method(*args, **options)

        monkeypatch.setattr(study.engine, place, interrupted)
        with pytest.raises(KeyboardInterrupt):
            study.measure_batches(phones(study, 2), n=10)
        assert states(study)["RUNNING"] == 0
        assert states(study)["COMPLETE"] > 0

    def test_what_has_returned_comes_before_an_interrupt(self, make_study: Make) -> None:
        study = make_study()
        bar = progress_bar("", False)
        measuring = Measuring(study, {"a": len}, 1, Budget(n_trials=1), None, (), bar)
        (device,) = measuring.devices
        returned = Returned(device, Given(Job(study.ask_batch(1)[0]), 0.0), [70.0, 20.0])
        measuring._returned.put(KeyboardInterrupt())
        measuring._returned.put(returned)
        steps = measuring._next()
        assert next(steps) is returned
        with pytest.raises(KeyboardInterrupt):
            next(steps)

    def test_running_trials_of_others_are_left_alone(self, make_study: Make, sqlite: str) -> None:
        study = make_study(storage=sqlite)
        (theirs,) = study.ask_batch(1)
        with (
            pytest.warns(FailedMeasurementWarning, match="3 times in a row"),
            pytest.raises(MeasurementError, match="No device is left"),
        ):
            study.measure_batches(phones(study, 1, n_errors=-1), n=10)
        running = study.get_trials(states=(TrialState.RUNNING,))
        assert [trial.number for trial in running] == [theirs.number]

    def test_an_unexpected_end_of_a_thread_ends_the_call(self, make_study: Make) -> None:
        study = make_study()

        def phone(_: Subnet) -> None:
            raise SystemExit("gone")

        with pytest.raises(SystemExit, match="gone"):
            study.measure_batches({"a": phone}, n=10)
        assert states(study) == {"FAIL": 1}


class NoPhone:
    """An object without `measure`."""


class OtherPhone:
    """An object whose `measure` takes something else than a subnet."""

    def measure(self, space: SearchSpace, matrix: Any) -> None: ...


@pytest.mark.parametrize(
    "devices",
    [
        {},
        [Phone],
        {"a": 3},
        {"a": NoPhone()},
        {"a": OtherPhone()},
        {"a": optuna_ofa.LatencyMeter()},
        {"a": len, "b": lambda: [70.0, 20.0]},
        {"a": Phone},
        {1: len},
        {"": len},
        None,
        len,
    ],
    ids=[
        "none",
        "list",
        "number",
        "object",
        "arguments",
        "meter",
        "no-argument",
        "class",
        "unnamed",
        "no-name",
        "missing",
        "function",
    ],
)
def test_wrong_devices_are_refused(make_study: Make, devices: Any) -> None:
    study = make_study()
    with pytest.raises(InvalidArgumentError, match="`devices` must be at least one device by name"):
        study.measure_batches(devices, n=3)
    assert study.trials == []
