"""Measuring the predicted front of a study."""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import optuna
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from optuna_ofa import (
    AccuracyMeter,
    EvaluationSettings,
    LatencyMeter,
    MeasurementSettings,
    SearchSpace,
    Subnet,
    SubnetStudy,
    Supernet,
    evaluate,
    read_measurements,
)
from optuna_ofa.exceptions import (
    CalibrationWarning,
    EmptyFrontError,
    FailedMeasurementWarning,
    FamilyMismatchError,
    ImplausibleValueWarning,
    InvalidArgumentError,
    InvalidSubnetError,
    MeasurementError,
)
from optuna_ofa.problem import LIST_KEY
from optuna_ofa.space import mobilenet_v3_small_images
from optuna_ofa.verification import Meter, Readings, Verification, _verify
from optuna_ofa.verification._entrants import entrants


class Device:
    """Measures what is predicted, and an error on top; counts its calls.

    Args:
        study: Whose predictions.
        metric: What is measured.
        error: What a measurement has more than the prediction.
        raises: What it raises instead, by the number of the call.
    """

    def __init__(
        self,
        study: SubnetStudy,
        metric: str,
        error: float = 0.0,
        raises: dict[int, Exception] | None = None,
    ) -> None:
        self._space, self._predictor = study.space, study.problem.predictors[metric]
        self._error, self._raises = error, raises or {}
        self.asked: list[Subnet] = []

    def __call__(self, subnet: Subnet) -> float:
        self.asked.append(subnet)
        if (error := self._raises.get(len(self.asked))) is not None:
            raise error
        matrix = self._space.to_matrix([subnet])
        return float(self._predictor.predict(matrix)[0]) + self._error


def devices(study: SubnetStudy, **arguments: Any) -> dict[str, Device]:
    return {
        "top1": Device(study, "top1", -2.0),
        "latency_ms": Device(study, "latency_ms", **arguments),
    }


def on_a_device(subnet: Subnet) -> tuple[float, float]:
    return float(subnet.resolution + sum(subnet.stage_depths)), 0.25


class TestWhatIsMeasured:
    def test_the_whole_front_becomes_measured_trials(self, study: SubnetStudy) -> None:
        front = study.front(kind="predicted")
        found = study.verify(devices(study, error=0.5))
        assert [p.subnet for p in found] == [p.subnet for p in front]
        measured = study.results(kind="measured")
        predicted = np.array([[*p.values.values()] for p in front])
        np.testing.assert_allclose(measured.values, predicted + np.array([-2.0, 0.5]))
        assert len(study.results(kind="predicted").numbers) == 60
        assert [p.trial_number for p in found] == measured.numbers.tolist()

    def test_points_are_spread_and_have_the_ends(self, study: SubnetStudy) -> None:
        front = study.front(kind="predicted")
        found = study.verify(devices(study), points=4)
        subnets = [p.subnet for p in found]
        assert len(subnets) == 4
        assert subnets[0] == front[0].subnet
        assert subnets[-1] == front[-1].subnet
        latency = [p.predicted["latency_ms"] for p in found]
        gaps = np.diff(latency) / (latency[-1] - latency[0])
        assert gaps.min() > 0.05

    def test_given_points_and_subnets_are_measured_each_once(self, study: SubnetStudy) -> None:
        point, subnet = study.front(kind="predicted")[1], study.space.largest()
        found = study.verify(devices(study), points=[point, subnet, point])
        assert [p.subnet for p in found] == [point.subnet, subnet]

    def test_trials_have_what_was_predicted(self, study: SubnetStudy) -> None:
        measure = {"top1": lambda _: (50.0, 0.25), "latency_ms": lambda _: 3.0}
        (point,) = study.verify(measure, points=study.front(kind="predicted")[:1])
        trial = study.trials[point.trial_number]
        assert trial.values == [50.0, 3.0]
        assert trial.user_attrs["kind"] == "measured"
        assert trial.user_attrs["predicted"] == dict(study.front(kind="predicted")[0].values)
        assert trial.user_attrs["predicted_std"] == {"top1": 1.0}
        assert trial.user_attrs["measured_std"] == {"top1": 0.25}
        assert trial.params == study.trials[study.front(kind="predicted")[0].trial_number].params

    @pytest.mark.parametrize("stored", [False, True], ids=["memory", "sqlite"])
    def test_a_measured_point_has_its_deviation_and_says_what_measured_it(
        self, make_study: Callable[..., SubnetStudy], sqlite: str, stored: bool
    ) -> None:
        arguments = {"storage": sqlite, "study_name": "a", "load_if_exists": True} if stored else {}
        study = make_study(**arguments)
        subnets = [p.subnet for p in study.front(kind="predicted")[:3]]
        found = study.verify(
            {"top1": lambda _: (50.0, 0.8), "latency_ms": on_a_device}, points=subnets
        )
        again = make_study(**arguments) if stored else study
        for point in (*study.front(kind="measured"), *again.front(kind="measured")):
            assert point.std == {"top1": 0.8, "latency_ms": 0.25}
            assert point.origin["latency_ms"] == {"measured_by": "on_a_device"}
            assert "50.00 ± 0.80 %" in str(point)
        assert again.results(kind="measured").std.tolist() == [[0.8, 0.25]] * 3
        assert np.isnan(again.results(kind="predicted").std).all()
        assert found.points[0].measured_by["latency_ms"] == {"measured_by": "on_a_device"}
        read_back = again.verify({"top1": lambda _: 0.0}, points=subnets)
        assert read_back.points == found.points

    def test_a_deviation_that_is_none_is_passed_over(self, study: SubnetStudy) -> None:
        for std in (None, "much", {"top1": "much"}, {"top1": float("nan")}, {"top1": -1.0}):
            asked = study.ask_batch(1)
            asked[0].trial.set_user_attr("measured_std", std)
            study.tell_batch(asked, [(50.0, 3.0)])
        assert np.isnan(study.results(kind="measured").std).all()
        assert all(point.std == {} for point in study.front(kind="measured"))

    def test_exact_costs_need_no_measuring(self, make_study: Callable[..., SubnetStudy]) -> None:
        study = make_study(objectives=("top1", "n_macs"))
        found = study.verify({"top1": lambda _: 40.0}, points=3)
        assert found.metrics == ("top1",)
        for point in found:
            assert point.measured["n_macs"] == point.predicted["n_macs"] > 0
        assert {p.kind for p in study.front(kind="measured")} == {"measured"}

    def test_one_of_two_objectives_makes_no_trial(self, study: SubnetStudy) -> None:
        found = study.verify({"latency_ms": Device(study, "latency_ms", 1.0)}, points=3)
        assert [p.error("latency_ms") for p in found] == pytest.approx([1.0] * 3)
        assert [p.trial_number for p in found] == [None] * 3
        assert len(found.front) == 0
        with pytest.raises(EmptyFrontError, match="no measured trial"):
            study.front(kind="measured")

    def test_constraints_take_the_measurement(self, make_study: Callable[..., SubnetStudy]) -> None:
        study = make_study(objectives=("top1", "n_params"), constraints={"latency_ms": 4.0})
        metrics = {"top1": lambda _: 40.0, "latency_ms": lambda _: 5.0}
        found = study.verify(metrics, points=2)
        excess = [study.trials[p.trial_number].constraints["latency_ms"] for p in found]
        assert excess == [1.0, 1.0]
        listed = [study.trials[p.trial_number].system_attrs[LIST_KEY] for p in found]
        assert listed == [[1.0], [1.0]]  # what Optuna Dashboard reads
        assert len(found.front) == 0

    def test_constraints_that_are_not_measured_are_predicted(
        self, make_study: Callable[..., SubnetStudy]
    ) -> None:
        study = make_study(objectives=("top1", "n_params"), constraints={"latency_ms": 4.0})
        for point in study.verify({"top1": lambda _: 40.0}, points=2):
            excess = study.trials[point.trial_number].constraints["latency_ms"]
            assert excess == pytest.approx(point.predicted["latency_ms"] - 4.0)


class TestAgain:
    def test_nothing_is_measured_twice(self, study: SubnetStudy) -> None:
        measure = devices(study, error=0.5)
        first = study.verify(measure, points=4)
        again = study.verify(measure, points=4)
        assert again.points == first.points
        assert len(measure["top1"].asked) == len(measure["latency_ms"].asked) == 4
        study.verify(measure)
        subnets = measure["top1"].asked
        assert len(subnets) == len(set(subnets)) == len(study.front(kind="predicted"))

    def test_a_new_process_measures_nothing_twice(
        self, make_study: Callable[..., SubnetStudy], sqlite: str
    ) -> None:
        first = make_study(storage=sqlite, study_name="a")
        found = first.verify(devices(first), points=4)
        second = make_study(storage=sqlite, study_name="a", load_if_exists=True)
        measure = devices(second)
        again = second.verify(measure, points=4)
        assert again.points == found.points
        assert measure["top1"].asked == []

    def test_what_another_process_has_measured_meanwhile_has_one_trial(
        self, make_study: Callable[..., SubnetStudy], sqlite: str
    ) -> None:
        study = make_study(storage=sqlite, study_name="a")
        other = make_study(storage=sqlite, study_name="a", load_if_exists=True)
        subnets = [p.subnet for p in study.front(kind="predicted")[:4]]
        calls = itertools.count()

        def latency(subnet: Subnet) -> float:
            if next(calls) == 0:
                theirs = {"top1": lambda _: 40.0, "latency_ms": lambda _: 3.0}
                assert len(other.verify(theirs, points=subnets[1:3])) == 2
            return 5.0

        found = study.verify({"top1": lambda _: 40.0, "latency_ms": latency}, points=subnets)
        assert [p.measured["latency_ms"] for p in found] == [5.0, 3.0, 3.0, 5.0]
        assert len(study.results(kind="measured").matrix) == 4

    def test_two_processes_that_end_together_write_each_trial_once(
        self, make_study: Callable[..., SubnetStudy], sqlite: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write, both = _verify.write, threading.Barrier(2, timeout=60)

        def slow(*args: Any) -> None:
            time.sleep(0.2)  # the other one would look in the meantime
            write(*args)

        monkeypatch.setattr(_verify, "write", slow)
        studies = [make_study(storage=sqlite, study_name="a")]
        studies.append(make_study(storage=sqlite, study_name="a", load_if_exists=True))
        subnets = [p.subnet for p in studies[0].front(kind="predicted")[:3]]

        class Together(Meter):
            def measure(self, space: Any, matrix: Any, storage: Any) -> Readings:
                both.wait()
                return Readings(np.full(len(matrix), 5.0), np.full(len(matrix), np.nan), {})

        def verify(study: SubnetStudy) -> int:
            measure = {"top1": Together(), "latency_ms": Together()}
            return len(study.verify(measure, points=subnets))

        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(verify, studies)) == [3, 3]
        assert len(studies[0].results(kind="measured").matrix) == 3

    def test_what_was_predicted_then_counts(self, study: SubnetStudy) -> None:
        before = study.verify(devices(study), points=2)
        predictor: Any = study.problem.predictors["top1"]
        predictor.std, predictor.offset = 99.0, 5.0
        assert study.verify(devices(study), points=2).points == before.points

    def test_metrics_that_are_measured_one_after_the_other_complete_a_point(
        self, make_study: Callable[..., SubnetStudy], sqlite: str
    ) -> None:
        study = make_study(storage=sqlite, study_name="a")
        latency = Device(study, "latency_ms", 1.0)
        study.verify({"latency_ms": latency}, points=3)
        new = Device(study, "latency_ms", 1.0)
        found = study.verify({"latency_ms": new, "top1": Device(study, "top1")}, points=3)
        assert (len(latency.asked), len(new.asked)) == (3, 0)
        assert all(p.trial_number is not None for p in found)

    def test_search_goes_on_after_it(self, study: SubnetStudy) -> None:
        study.verify(devices(study), points=4)
        study.search(20)
        subnets = [str(t.user_attrs["subnet"]) for t in study.trials]
        assert (len(subnets), len(set(subnets))) == (84, 80)


class TestFailures:
    def test_an_error_is_that_of_one_subnet(self, study: SubnetStudy) -> None:
        measure = devices(study, raises={2: ValueError("no kernel")})
        with pytest.warns(FailedMeasurementWarning, match=r"1 of 4 .* ValueError: no kernel"):
            found = study.verify(measure, points=4)
        assert len(found) == 3
        assert list(found.failures.values()) == ["ValueError: no kernel"]
        assert len(study.results(kind="measured").numbers) == 3
        assert len(study.verify(devices(study), points=4)) == 4  # and is tried again

    @pytest.mark.parametrize("nothing", [None, math.nan, (math.nan, 1.0)], ids=str)
    def test_none_and_nan_are_no_measurement(self, study: SubnetStudy, nothing: object) -> None:
        numbers = itertools.chain([nothing], itertools.repeat(5.0))
        measure = {"top1": lambda _: 40.0, "latency_ms": lambda _: next(numbers)}
        with pytest.warns(FailedMeasurementWarning, match="not measured"):
            found = study.verify(measure, points=3)
        assert len(found) == len(study.results(kind="measured").numbers) == 2

    @pytest.mark.parametrize("storage", [False, True], ids=["in memory", "sqlite"])
    def test_a_device_that_disappears_leaves_what_it_measured(
        self, make_study: Callable[..., SubnetStudy], sqlite: str, storage: bool
    ) -> None:
        study = make_study(storage=sqlite if storage else None)
        front = study.front(kind="predicted")
        assert len(front) > 12  # more than are measured at a time
        measure = devices(study, raises={11: ConnectionResetError("unplugged")})
        expected = (
            rf"`measure\['latency_ms'\]` stopped after 10 of {len(front)} subnets: "
            "ConnectionResetError: unplugged.*call `verify` again"
        )
        with pytest.raises(MeasurementError, match=expected) as info:
            study.verify(measure)
        assert isinstance(info.value.__cause__, ConnectionResetError)
        assert len(study.results(kind="measured").numbers) == 10
        states = {trial.state for trial in study.trials}
        assert states == {optuna.trial.TrialState.COMPLETE}
        found = study.verify(measure)
        assert len(found) == len(study.results(kind="measured").numbers) == len(front)
        assert len(measure["latency_ms"].asked) == len(front) + 1

    def test_errors_in_a_row_are_the_devices(self, study: SubnetStudy) -> None:
        broken = dict.fromkeys(range(3, 99), RuntimeError("no answer"))
        measure = devices(study, raises=broken)
        with pytest.raises(MeasurementError, match="stopped after 2 of"):
            study.verify(measure)
        assert len(measure["latency_ms"].asked) == 5

    def test_two_failures_at_the_start_do_not_end_it(self, study: SubnetStudy) -> None:
        calls = itertools.count()

        def measure(subnet: Subnet) -> float:
            if next(calls) < 2:
                raise RuntimeError("no answer")
            return 10.0

        with pytest.warns(FailedMeasurementWarning, match="2 of 5 "):
            found = study.verify({"latency_ms": measure}, points=5)
        assert [p.measured["latency_ms"] for p in found] == [10.0] * 3

    def test_failures_in_a_row_of_a_meter_of_ones_own_too(self, study: SubnetStudy) -> None:
        class Half(Meter):
            def measure(self, space: Any, matrix: Any, storage: Any) -> Readings:
                values = np.where(np.arange(len(matrix)) < 3, 50.0, np.nan)
                reasons = dict.fromkeys(range(3, len(matrix)), "no answer")
                return Readings(values, np.full(len(matrix), np.nan), reasons)

        measure = {"top1": Half(), "latency_ms": Device(study, "latency_ms")}
        with pytest.raises(MeasurementError, match=r"stopped after 3 of 6 .*in a row.*no answer"):
            study.verify(measure, points=6)
        assert len(study.results(kind="measured").numbers) == 3

    def test_the_meter_that_stopped_is_named(self, study: SubnetStudy) -> None:
        def gone(subnet: Subnet) -> float:
            raise OSError("unplugged")

        measure = {"top1": gone, "latency_ms": lambda _: 5.0}
        expected = r"`measure\['top1'\]` stopped after 0 of 3 subnets: OSError: unplugged"
        with pytest.raises(MeasurementError, match=expected):
            study.verify(measure, points=3)

    def test_an_error_of_the_device_stops_at_once(self, study: SubnetStudy) -> None:
        measure = devices(study, raises={2: RuntimeError("CUDA error: device-side assert")})
        with pytest.raises(MeasurementError, match="stopped after 1 of"):
            study.verify(measure, points=4)

    def test_an_accuracy_meter_says_how_to_go_on(
        self,
        study: SubnetStudy,
        supernet: Supernet,
        loader: DataLoader,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def fail(subnet: Subnet) -> None:
            raise RuntimeError("CUDA error: out of luck")

        monkeypatch.setattr(supernet, "extract", fail)
        meter = AccuracyMeter(supernet, loader, EvaluationSettings(calibration=None))
        expected = r"`measure\['top1'\]` stopped after 0 of 2.*CUDA error.*call `verify` again"
        with pytest.raises(MeasurementError, match=expected):
            study.verify({"top1": meter}, points=2)

    def test_killed_midway_it_goes_on(
        self, make_study: Callable[..., SubnetStudy], sqlite: str
    ) -> None:
        first = make_study(storage=sqlite, study_name="a")
        killed = devices(first, raises={11: KeyboardInterrupt()})  # type: ignore[dict-item]
        with pytest.raises(KeyboardInterrupt):
            first.verify(killed)
        second = make_study(storage=sqlite, study_name="a", load_if_exists=True)
        measure = devices(second)
        n = len(second.verify(measure))
        # the eleventh was asked for and gave nothing
        assert len(measure["latency_ms"].asked) == n - 10

    @pytest.mark.parametrize(
        "wrong", [(1.0, 2.0, 3.0), "fast", math.inf, {}, 0.0, -3.0, True, (5.0, -1.0)], ids=repr
    )
    def test_other_returns_are_refused_and_nothing_is_lost(
        self, study: SubnetStudy, wrong: object
    ) -> None:
        numbers = itertools.chain([5.0, 6.0], itertools.repeat(wrong))
        measure = {"top1": lambda _: 40.0, "latency_ms": lambda _: next(numbers)}
        expected = r"`measure\['latency_ms'\]` (must|returns must)"
        with pytest.raises(InvalidArgumentError, match=expected):
            study.verify(measure, points=4)
        assert len(study.results(kind="measured").numbers) == 2

    @pytest.mark.parametrize(
        ("value", "std", "match"),
        [
            (7500.0, 1.0, "must be in percent, .* got top1 7500"),
            (75.0, -1.0, "deviation .* got -1"),
        ],
        ids=["value", "std"],
    )
    def test_a_meter_of_implausible_values_is_refused(
        self, study: SubnetStudy, value: float, std: float, match: str
    ) -> None:
        class Wrong(Meter):
            def measure(self, space: Any, matrix: Any, storage: Any) -> Readings:
                return Readings(np.full(len(matrix), value), np.full(len(matrix), std), {})

        with pytest.raises(InvalidArgumentError, match=rf"`measure\['top1'\]` .*{match}"):
            study.verify(devices(study) | {"top1": Wrong()}, points=3)
        assert not study.results(kind="predicted").measured.any()

    def test_metrics_in_each_others_place_leave_nothing(
        self, make_study: Callable[..., SubnetStudy], sqlite: str
    ) -> None:
        study = make_study(storage=sqlite, study_name="a")
        right = devices(study)
        wrong = {"top1": right["latency_ms"], "latency_ms": right["top1"]}
        with pytest.raises(InvalidArgumentError, match=r"`measure` must have .* in the right"):
            study.verify(wrong, points=3)
        n_asked = len(right["top1"].asked)
        assert len(study.verify(right, points=3)) == 3
        assert len(right["top1"].asked) == n_asked + 3  # the wrong ones are not known

    def test_fractions_are_warned_of(self, study: SubnetStudy) -> None:
        measure = devices(study) | {"top1": lambda _: 0.75}
        with pytest.warns(ImplausibleValueWarning, match=r"`measure\['top1'\]` is probably a frac"):
            study.verify(measure, points=3)

    def test_a_meter_that_gives_too_few_is_refused(self, study: SubnetStudy) -> None:
        class Short(Meter):
            def measure(self, space: Any, matrix: Any, storage: Any) -> Readings:
                return Readings(np.ones(1), np.ones(1), {})

        expected = r"`measure\['top1'\]` must give a value .* each of 3 subnets, but gave \(1,\)"
        with pytest.raises(InvalidArgumentError, match=expected):
            study.verify({"top1": Short()}, points=3)

    def test_a_meter_that_raises_is_a_measurement_error(self, study: SubnetStudy) -> None:
        class Gone(Meter):
            def measure(self, space: Any, matrix: Any, storage: Any) -> Readings:
                raise RuntimeError("no such device")

        with pytest.raises(MeasurementError, match=r"after 0 of 3 .* RuntimeError: no such device"):
            study.verify({"top1": Gone()}, points=3)


class TestArguments:
    def test_metrics_of_the_study_only(self, study: SubnetStudy) -> None:
        expected = "at least one of top1, latency_ms, but got 'n_macs'"
        with pytest.raises(InvalidArgumentError, match=expected):
            study.verify({"n_macs": lambda _: 1.0})
        with pytest.raises(InvalidArgumentError, match="but got 'nothing'"):
            study.verify({})

    def test_something_that_measures(self, study: SubnetStudy) -> None:
        with pytest.raises(InvalidArgumentError, match=r"must be a Meter or a function.*got 3"):
            study.verify({"top1": 3})  # type: ignore[dict-item]

    @pytest.mark.parametrize("points", [0, -1, True], ids=repr)
    def test_at_least_one_point(self, study: SubnetStudy, points: int) -> None:
        with pytest.raises(InvalidArgumentError, match=f"at least 1.* but got {points}"):
            study.verify(devices(study), points=points)

    @pytest.mark.parametrize("points", [[], ["a"]], ids=repr)
    def test_points_are_points(self, study: SubnetStudy, points: Any) -> None:
        with pytest.raises(InvalidArgumentError, match=r"`points(\[0\])?` must be "):
            study.verify(devices(study), points=points)

    def test_subnets_of_the_space(self, study: SubnetStudy) -> None:
        other = SearchSpace("ofa_mbv3_fashion").largest()
        with pytest.raises(InvalidSubnetError, match="kernel"):
            study.verify(devices(study), points=[other])

    def test_there_is_a_front(self, make_study: Callable[..., SubnetStudy]) -> None:
        study = make_study(n=0)
        with pytest.raises(EmptyFrontError, match="no predicted trial"):
            study.verify({"top1": lambda _: 1.0})

    def test_an_empty_front_names_the_nearest(self, make_study: Callable[..., SubnetStudy]) -> None:
        study = make_study(n=0, constraints={"latency_ms": 0.5})
        study.add_trial(make_study().trials[1])
        expected = r"None of 1 trials satisfies .*; the one that violates them least"
        with pytest.raises(EmptyFrontError, match=expected):
            study.verify({"top1": lambda _: 1.0})


class TestMeters:
    def test_accuracy_is_what_evaluate_says(
        self, study: SubnetStudy, supernet: Supernet, loader: DataLoader
    ) -> None:
        meter = AccuracyMeter(supernet, loader, EvaluationSettings(calibration=loader))
        found = study.verify({"top1": meter, "latency_ms": lambda _: 1.0}, points=3)
        subnets = [p.subnet for p in found]
        expected = evaluate(supernet, subnets, loader, EvaluationSettings(calibration=loader))
        assert [p.measured["top1"] for p in found] == expected.top1.tolist()
        assert [p.measured_std["top1"] for p in found] == expected.top1_std.tolist()
        assert str(found).splitlines()[0].endswith("predicted), top1 on 40 images")
        again = study.verify({"top1": lambda _: 1.0, "latency_ms": lambda _: 1.0}, points=3)
        for of in (found, again):  # from the meter, and from the trials
            assert [dict(p.n_images) for p in of] == [{"top1": 40}] * 3
        assert study.trials[-1].user_attrs["measured_images"] == {"top1": 40}

    def test_accuracies_are_in_the_studys_database(
        self,
        make_study: Callable[..., SubnetStudy],
        sqlite: str,
        supernet: Supernet,
        loader: DataLoader,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        study = make_study(storage=sqlite)
        settings = EvaluationSettings(calibration=loader, data="noise")
        study.verify({"top1": AccuracyMeter(supernet, loader, settings)}, points=2)
        assert len(read_measurements(sqlite, study.space, metric="top1")) == 2
        # found there by a meter of another process
        monkeypatch.delattr(Supernet, "extract")
        other = AccuracyMeter(supernet, loader, replace(settings, data=None))
        assert len(study.verify({"top1": other}, points=2)) == 2

    def test_all_batches_are_calibrated_with_the_same_images(
        self, make_study: Callable[..., SubnetStudy], sqlite: str, supernet: Supernet
    ) -> None:
        n_read = 0

        class Noise:
            """Other images each time."""

            def __iter__(self) -> Iterator[Any]:
                nonlocal n_read
                n_read += 1
                yield torch.randn(40, 1, 28, 28) + n_read, torch.arange(40) % 10

        study = make_study(storage=sqlite)
        test = [(torch.randn(10, 1, 28, 28), torch.arange(10))]
        meter = AccuracyMeter(supernet, test, EvaluationSettings(calibration=Noise()))
        with pytest.warns(CalibrationWarning, match="different images each time"):
            found = study.verify({"top1": meter}, points=10)  # more than are evaluated at once
        assert len(read_measurements(sqlite, study.space, metric="top1")) == len(found) == 10
        assert n_read == 2

    def test_one_meter_evaluates_each_subnet_once(
        self, study: SubnetStudy, supernet: Supernet, loader: DataLoader
    ) -> None:
        n_read = 0

        def read(resolution: int) -> DataLoader:
            nonlocal n_read
            n_read += 1
            return loader

        meter = AccuracyMeter(supernet, read, EvaluationSettings(calibration=None))
        points = study.front(kind="predicted")[:2]
        first = study.verify({"top1": meter}, points=points)
        n_first = n_read
        assert study.verify({"top1": meter}, points=points).points == first.points
        assert n_read == n_first > 0
        supernet.classifier.linear.bias.data += 1  # other weights are evaluated
        study.verify({"top1": meter}, points=points)
        assert n_read > n_first

    def test_the_supernet_is_of_the_family(self, study: SubnetStudy, loader: DataLoader) -> None:
        other = Supernet(mobilenet_v3_small_images("other", n_classes=10, width=0.5))
        meter = AccuracyMeter(other, loader, EvaluationSettings(calibration=None))
        expected = r"`measure\['top1'\]` must have a supernet of ofa_mbv3_fashion, but it is of"
        with pytest.raises(FamilyMismatchError, match=expected):
            study.verify({"top1": meter}, points=1)

    def test_latency_is_measured_on_the_runtime(
        self, make_study: Callable[..., SubnetStudy], sqlite: str
    ) -> None:
        study = make_study(storage=sqlite)
        meter = LatencyMeter(MeasurementSettings(runtime="torch", n_rounds=2, max_spread=9.0))
        found = study.verify({"latency_ms": meter}, points=2)
        rows = read_measurements(sqlite, study.space, metric="latency_ms")
        assert all(r.setup["runtime"] == "torch" for r in rows)
        assert [r.value for r in rows] == [p.measured["latency_ms"] for p in found]
        assert study.verify({"latency_ms": meter}, points=2).points == found.points

    def test_batches_are_on_one_scale(self, study: SubnetStudy) -> None:
        meter = LatencyMeter(MeasurementSettings(runtime="torch", n_rounds=2, max_spread=9.0))
        study.verify({"latency_ms": meter}, points=1)
        anchor_ms = meter._anchor_ms
        assert anchor_ms is not None
        study.verify({"latency_ms": meter}, points=[study.space.largest()])
        assert meter._anchor_ms == anchor_ms


class TestRaces:
    """Verifications in which subnets stop early."""

    @pytest.fixture
    def images(self) -> DataLoader:
        rng = torch.Generator().manual_seed(1)
        images = torch.randn(200, 1, 28, 28, generator=rng)
        return DataLoader(TensorDataset(images, torch.arange(200) % 10), batch_size=100)

    @pytest.fixture
    def settings(self, images: DataLoader) -> EvaluationSettings:
        calibration = images.dataset.tensors[0][:40]  # type: ignore[attr-defined]
        return EvaluationSettings(calibration=calibration, rungs=(50,), tolerance=5)

    def test_those_that_stop_are_neither_points_nor_trials(
        self,
        make_study: Callable[..., SubnetStudy],
        supernet: Supernet,
        images: DataLoader,
        settings: EvaluationSettings,
    ) -> None:
        study = make_study()
        matrix = study.space.sample(14, seed=3)
        subnets = study.space.from_matrix(matrix)
        latency = {s: float(i) + 1 for i, s in enumerate(subnets)}
        meter = AccuracyMeter(supernet, images, settings, race=True)
        measure = {"latency_ms": lambda s: latency[s], "top1": meter}
        found = study.verify(measure, points=subnets)
        assert found.partial
        assert len(found) + len(found.partial) == 14
        measured = study.results(kind="measured").matrix
        assert study.space.from_matrix(measured) == [p.subnet for p in found]
        assert {p.n_images["top1"] for p in found} == {200}
        assert all(of.n_images == 50 for of in found.partial.values())
        head, *lines = str(found).splitlines()
        assert f"{len(found.partial)} stopped early" in head
        assert sum("estimated from 50 images" in line for line in lines) == len(found.partial)
        whole = evaluate(supernet, [p.subnet for p in found], images, settings)
        assert [p.measured["top1"] for p in found] == whole.top1.tolist()
        # measured costs count: the costs of the race are the latencies, not the predictions
        costs = [latency[s] for s in subnets]
        alone = evaluate(supernet, subnets, images, settings, costs=costs)
        assert {subnets[row] for row in alone.partial} == set(found.partial)

    def test_subnets_of_an_earlier_call_compete(
        self,
        make_study: Callable[..., SubnetStudy],
        supernet: Supernet,
        images: DataLoader,
        settings: EvaluationSettings,
        sqlite: str,
    ) -> None:
        study = make_study(storage=sqlite)
        subnets = study.space.from_matrix(study.space.sample(14, seed=3))
        latency = {s: float(i) + 1 for i, s in enumerate(subnets)}

        def verify(points: list[Subnet]) -> Verification:
            meter = AccuracyMeter(supernet, images, settings, race=True)  # knows nothing
            return study.verify({"latency_ms": lambda s: latency[s], "top1": meter}, points=points)

        first = verify(subnets[:10])
        second = verify(subnets[10:])
        third = verify(subnets[10:])  # from the database
        assert len(first) + len(first.partial) == 10
        assert len(second) + len(second.partial) == 4
        assert third.partial == second.partial
        rivals = {p.subnet for p in first}
        reasons = " ".join(of.reason for of in second.partial.values())
        assert any(str(subnet) in reasons for subnet in rivals)

    def test_a_violated_constraint_does_not_win(
        self,
        make_study: Callable[..., SubnetStudy],
        supernet: Supernet,
        images: DataLoader,
        settings: EvaluationSettings,
    ) -> None:
        study = make_study(n=0, constraints={"latency_ms": 5.0})
        subnets = study.space.from_matrix(study.space.sample(8, seed=3))
        batch = entrants(
            study.problem,
            "top1",
            study.space.to_matrix(subnets),
            [{"top1": 50.0, "latency_ms": ms} for ms in (4.0, 6.0, *range(7, 13))],
            study.results(kind="measured"),
        )
        assert batch.costs[:2].tolist() == [[4.0, 0.0], [6.0, 1.0]]


class TestEndsEarly:
    """By callbacks and a time limit."""

    def test_callbacks_get_the_measured_trials(self, study: SubnetStudy) -> None:
        meters = devices(study)
        called: list[tuple[optuna.Study, int, str]] = []

        def note(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
            called.append((study, trial.number, trial.user_attrs["kind"]))

        n = len(study.trials)
        found = study.verify(meters, points=10, callbacks=iter([note]))
        assert called == [(study, n + i, "measured") for i in range(10)]
        assert sorted(p.trial_number or 0 for p in found.points) == [of[1] for of in called]
        study.verify(meters, points=10, callbacks=[note])  # nothing is left to measure
        assert len(called) == 10

    def test_a_stopped_one_continues(self, study: SubnetStudy) -> None:
        meters = devices(study)
        found = study.verify(meters, points=10, callbacks=[lambda study, _: study.stop()])
        assert len(found.points) == len(meters["top1"].asked) == 8  # those measured together
        assert len(study.verify(meters, points=10).points) == 10
        assert len(meters["top1"].asked) == 10

    def test_nothing_is_measured_after_the_time(self, study: SubnetStudy) -> None:
        meters = devices(study)
        found = study.verify(meters, points=10, timeout=0)
        assert (found.points, meters["top1"].asked) == ((), [])
        assert str(found).startswith("0 subnets measured")

    def test_subnets_that_were_not_tried_have_not_failed(self, study: SubnetStudy) -> None:
        meters = devices(study, raises={1: ValueError("no"), 4: ValueError("no")})
        stop = [lambda study, _: study.stop()]
        with pytest.warns(FailedMeasurementWarning, match="2 of 8 subnets could not be measured"):
            study.verify(meters, points=10, callbacks=stop)
