"""Measuring on the workers of an executor."""

from __future__ import annotations

import importlib
import re
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

import optuna_ofa
from optuna_ofa import (
    AccuracyMeter,
    EvaluationSettings,
    LatencyMeter,
    MeasurementSettings,
    Metric,
    SearchSpace,
    Subnet,
    SubnetStudy,
    Supernet,
    read_measurements,
)
from optuna_ofa.exceptions import FailedMeasurementWarning, InvalidArgumentError, MeasurementError
from optuna_ofa.executors import spawn_pool
from optuna_ofa.space import keys_of
from optuna_ofa.verification import Meter, Readings


class Smallest:
    """What an executor must have, and no more; runs everything at once in this thread."""

    def __init__(self) -> None:
        self.n_submitted, self.is_shut_down = 0, False

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.n_submitted += 1
        future: Future[Any] = Future()
        try:
            future.set_result(function(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future

    def shutdown(self, wait: bool = True) -> None:
        self.is_shut_down = True


@pytest.fixture
def threads() -> Iterator[Executor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.fixture(scope="module")
def functions() -> Iterator[Any]:
    """The module `functions_for_workers`, which processes of a pool can import."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parent)
        yield importlib.import_module("functions_for_workers")


@pytest.fixture(scope="module")
def process(functions: Any) -> Iterator[Executor]:
    with spawn_pool(1, threads=1) as pool:
        yield pool


def top1_of(subnet: Subnet) -> tuple[float, float]:
    return 40.0 + len(subnet.text) % 7, 0.5


def points_of(study: SubnetStudy, n: int) -> list[Subnet]:
    return study.space.from_matrix(study.space.sample(n, seed=1))


class TestFunctions:
    @pytest.mark.parametrize("storage", [False, True], ids=["in memory", "sqlite"])
    def test_it_is_as_without(
        self, make_study: Callable[..., SubnetStudy], sqlite: str, storage: bool, threads: Executor
    ) -> None:
        found = []
        for executor, name in ((None, "a"), (threads, "b"), (Smallest(), "c")):
            study = make_study(storage=sqlite if storage else None, study_name=name)
            measure = {"top1": top1_of, "latency_ms": lambda s: float(s.resolution)}
            found.append(study.verify(measure, points=9, executor=executor))
            trials = [t for t in study.trials if t.user_attrs["kind"] == "measured"]
            assert len(trials) == 9
        assert found[0].points == found[1].points == found[2].points

    def test_every_subnet_is_measured_once_and_the_executor_stays(
        self, make_study: Callable[..., SubnetStudy]
    ) -> None:
        study, executor, asked = make_study(), Smallest(), []

        def top1(subnet: Subnet) -> float:
            asked.append(subnet)
            return 40.0

        study.verify({"top1": top1}, points=12, executor=executor)
        assert len(asked) == len(set(asked)) == 12
        assert not executor.is_shut_down

    def test_latencies_and_meters_are_measured_here_one_at_a_time(
        self, study: SubnetStudy, threads: Executor
    ) -> None:
        here = threading.get_ident()
        where: dict[str, set[int]] = {"latency_ms": set(), "top1": set()}

        def latency(subnet: Subnet) -> float:
            where["latency_ms"].add(threading.get_ident())
            return 9.0

        class Own(Meter):
            def measure(self, space: Any, matrix: Any, storage: Any) -> Readings:
                where["top1"].add(threading.get_ident())
                return Readings(keys_of(matrix) % 50 + 1.0, keys_of(matrix) * 0.0, {})

        study.verify({"top1": Own(), "latency_ms": latency}, points=4, executor=threads)
        assert where == {"latency_ms": {here}, "top1": {here}}

    def test_an_error_is_that_of_one_subnet(self, study: SubnetStudy, threads: Executor) -> None:
        bad = points_of(study, 9)[3]

        def top1(subnet: Subnet) -> float:
            if subnet == bad:
                raise ValueError("no kernel")
            return 40.0

        with pytest.warns(FailedMeasurementWarning, match=r"1 of 9 .* ValueError: no kernel"):
            found = study.verify({"top1": top1}, points=points_of(study, 9), executor=threads)
        assert found.failures == {bad: "ValueError: no kernel"}
        assert len(found) == 8

    @pytest.mark.parametrize(
        ("error", "match"),
        [
            (ConnectionResetError("unplugged"), "ConnectionResetError: unplugged"),
            (RuntimeError("no answer"), "RuntimeError: no answer"),
        ],
        ids=["device", "in a row"],
    )
    def test_a_device_that_is_gone_ends_it(
        self, study: SubnetStudy, error: Exception, match: str, threads: Executor
    ) -> None:
        subnets = points_of(study, 12)

        def top1(subnet: Subnet) -> float:
            if subnets.index(subnet) >= 4:
                raise error
            return 40.0

        measure = {"top1": top1, "latency_ms": lambda _: 9.0}
        with pytest.raises(MeasurementError, match=rf"stopped after 4 of 12 subnets: {match}"):
            study.verify(measure, points=subnets, executor=threads)
        assert len(study.results(kind="measured").numbers) == 4

    @pytest.mark.filterwarnings("ignore:A worker was lost")
    def test_a_subnet_that_ends_each_worker_leaves_the_others(self, study: SubnetStudy) -> None:
        subnets = points_of(study, 9)

        class Loses(Smallest):
            def submit(self, *args: Any, **kwargs: Any) -> Future[Any]:
                if any(getattr(arg, "subnet", None) == subnets[3] for arg in args):
                    future: Future[Any] = Future()
                    future.set_exception(BrokenExecutor("killed"))
                    return future
                return super().submit(*args, **kwargs)

        measure = {"top1": top1_of, "latency_ms": lambda _: 9.0}
        expected = f"stopped after 8 of 9 subnets: Workers were lost .*{re.escape(str(subnets[3]))}"
        with pytest.raises(MeasurementError, match=expected):
            study.verify(measure, points=subnets, executor=Loses())
        measured = study.results(kind="measured").matrix
        assert study.space.from_matrix(measured) == [*subnets[:3], *subnets[4:]]

    def test_a_lost_worker_is_said(self, study: SubnetStudy) -> None:
        class Loses(Smallest):
            def submit(self, *args: Any, **kwargs: Any) -> Future[Any]:
                if self.n_submitted != 3:
                    return super().submit(*args, **kwargs)
                self.n_submitted += 1
                future: Future[Any] = Future()
                future.set_exception(BrokenExecutor("killed"))
                return future

        with pytest.warns(FailedMeasurementWarning, match=r"A worker was lost .*killed") as said:
            found = study.verify({"top1": top1_of}, points=9, executor=Loses())
        assert (len(found), len(said)) == (9, 1)

    def test_an_engine_that_fails_leaves_what_it_has_measured(self, study: SubnetStudy) -> None:
        class Fails(Smallest):
            def submit(self, *args: Any, **kwargs: Any) -> Future[Any]:
                if self.n_submitted < 5:
                    return super().submit(*args, **kwargs)
                future: Future[Any] = Future()
                future.set_exception(RuntimeError("no environment"))
                return future

        measure = {"top1": top1_of, "latency_ms": lambda _: 9.0}
        expected = "stopped after 5 of 9 subnets: `executor` failed with RuntimeError: no environ"
        with pytest.raises(MeasurementError, match=expected):
            study.verify(measure, points=points_of(study, 9), executor=Fails())
        assert len(study.results(kind="measured").numbers) == 5

    @pytest.mark.usefixtures("usual_signals")
    @pytest.mark.parametrize("method", ["verify", "refine"])
    def test_sigterm_unwinds_without_a_database(self, study: SubnetStudy, method: str) -> None:
        handlers = []

        def top1(subnet: Subnet) -> float:
            handlers.append(signal.getsignal(signal.SIGTERM))
            return 40.0

        arguments = {"budget": 2, "rounds": 1} if method == "refine" else {"points": 2}
        getattr(study, method)({"top1": top1, "latency_ms": lambda _: 9.0}, **arguments)
        with pytest.raises(SystemExit, match="143"):
            handlers[0](signal.SIGTERM, None)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL

    def test_a_return_that_is_no_number_is_refused_and_the_rest_kept(
        self, study: SubnetStudy, threads: Executor
    ) -> None:
        subnets = points_of(study, 12)
        measure = {
            "top1": lambda s: "fast" if s == subnets[5] else 40.0,
            "latency_ms": lambda _: 9.0,
        }
        with pytest.raises(InvalidArgumentError, match=r"What `measure\['top1'\]` returns must"):
            study.verify(measure, points=subnets, executor=threads)
        assert len(study.results(kind="measured").numbers) >= 5

    def test_a_next_call_measures_what_is_missing(
        self, make_study: Callable[..., SubnetStudy], sqlite: str, threads: Executor
    ) -> None:
        study = make_study(storage=sqlite)
        subnets, asked = points_of(study, 12), []

        def top1(subnet: Subnet) -> float:
            asked.append(subnet)
            if len(asked) == 6:
                raise OSError("gone")
            return 40.0

        with pytest.raises(MeasurementError, match="OSError: gone"):
            study.verify({"top1": top1}, points=subnets, executor=threads)
        measured = read_measurements(sqlite, study.space, metric="top1")
        n_asked = len(asked)
        assert len(study.verify({"top1": top1}, points=subnets, executor=threads)) == 12
        assert len(asked) - n_asked == 12 - len(measured)


class TestProcesses:
    def test_accuracies_are_as_without(
        self,
        make_study: Callable[..., SubnetStudy],
        process: Executor,
        supernet: Supernet,
        loader: DataLoader,
    ) -> None:
        study, batches = make_study(), list(loader)
        settings = EvaluationSettings(calibration=torch.cat([images for images, _ in batches]))
        found = []
        for executor in (None, process):
            meter = AccuracyMeter(supernet, batches, settings)
            found.append(study.verify({"top1": meter}, points=5, executor=executor))
        assert found[0].points == found[1].points

    def test_errors_of_users_come_back(
        self, study: SubnetStudy, functions: Any, process: Executor
    ) -> None:
        measure = {"top1": functions.raises}
        with pytest.warns(FailedMeasurementWarning, match="CannotBeSentError: register: 3"):
            found = study.verify(measure, points=points_of(study, 5), executor=process)
        assert {s.resolution for s in found.failures} == {20}

    def test_a_function_that_cannot_be_sent_is_refused(
        self, study: SubnetStudy, process: Executor
    ) -> None:
        refused = r"`measure\['top1'\]` must be picklable for the workers .* got <function"
        with pytest.raises(InvalidArgumentError, match=refused):
            study.verify({"top1": lambda _: 1.0}, points=2, executor=process)

    def test_a_killed_worker_is_another_try(
        self,
        make_study: Callable[..., SubnetStudy],
        functions: Any,
        process: Executor,
        tmp_path: Path,
    ) -> None:
        study = make_study()  # the last test of this pool, which breaks
        notes = functions.Note(tmp_path, kills=28)
        subnets = points_of(study, 8)
        assert {s.resolution for s in subnets} == {20, 28}
        with pytest.warns(FailedMeasurementWarning, match="A worker was lost"):
            found = study.verify({"top1": notes}, points=subnets, executor=process)
        assert [p.measured["top1"] for p in found] == [float(s.resolution) for s in subnets]
        assert not found.failures
        assert (tmp_path / "killed").exists()

    def test_dask_measures_too(
        self, make_study: Callable[..., SubnetStudy], supernet: Supernet, loader: DataLoader
    ) -> None:
        distributed = pytest.importorskip("distributed")
        settings, found = EvaluationSettings(calibration=None), []
        with distributed.Client(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=":0"
        ) as client:
            for executor in (None, client.get_executor()):
                meter, study = AccuracyMeter(supernet, list(loader), settings), make_study()
                own = study.verify({"top1": top1_of}, points=9, executor=executor)
                accuracies = study.verify({"top1": meter}, points=5, executor=executor)
                found.append((own.points, accuracies.points))
        assert found[0] == found[1]


class TestMeters:
    def test_a_meter_on_an_executor_remembers_for_the_one_without(
        self, make_study: Callable[..., SubnetStudy], supernet: Supernet, loader: DataLoader
    ) -> None:
        meter = AccuracyMeter(supernet, loader, EvaluationSettings(calibration=None))
        executor, study = Smallest(), make_study()
        first = study.verify({"top1": meter}, points=5, executor=executor)
        n = executor.n_submitted
        assert n > 0
        again = study.verify({"top1": meter}, points=5, executor=executor)
        assert executor.n_submitted == n
        assert first.points == again.points == study.verify({"top1": meter}, points=5).points

    @pytest.mark.parametrize("progress", [True, False])
    def test_progress_is_that_of_single_subnets(
        self,
        study: SubnetStudy,
        supernet: Supernet,
        loader: DataLoader,
        capsys: pytest.CaptureFixture[str],
        progress: bool,
    ) -> None:
        meter = AccuracyMeter(supernet, loader, EvaluationSettings(calibration=None))
        for measure, title in (({"top1": meter}, "evaluating"), ({"top1": top1_of}, "calling")):
            study.verify(measure, points=3, executor=Smallest(), progress=progress)
            assert (title in capsys.readouterr().err) == progress

    def test_several_processes_are_refused_before_any_work(
        self, study: SubnetStudy, supernet: Supernet, loader: DataLoader
    ) -> None:
        settings = EvaluationSettings(calibration=None, processes=2)
        measure = {"top1": AccuracyMeter(supernet, loader, settings)}
        executor = Smallest()
        with pytest.raises(InvalidArgumentError, match=r"`processes` must be 1 .*executor.*got 2"):
            study.verify(measure, points=2, executor=executor)
        assert executor.n_submitted == 0

    def test_a_race_is_as_without(
        self, make_study: Callable[..., SubnetStudy], supernet: Supernet, loader: DataLoader
    ) -> None:
        settings = EvaluationSettings(calibration=None, rungs=(20,), tolerance=20)
        found = []
        for executor in (None, Smallest()):
            study = make_study()
            meter = AccuracyMeter(supernet, loader, settings, race=True)
            measure = {"latency_ms": lambda s: float(len(s.text)), "top1": meter}
            found.append(study.verify(measure, points=points_of(study, 10), executor=executor))
        assert found[0].partial == found[1].partial != {}
        assert found[0].points == found[1].points

    def test_latency_is_measured_on_the_meters_own_workers(
        self, make_study: Callable[..., SubnetStudy], sqlite: str
    ) -> None:
        settings = MeasurementSettings(runtime="torch", n_rounds=2, max_spread=9.0)
        study, devices, others = make_study(storage=sqlite), Smallest(), Smallest()
        meter = LatencyMeter(settings, executor=devices)
        found = study.verify({"latency_ms": meter}, points=3, executor=others)
        assert devices.n_submitted > 0
        assert others.n_submitted == 0
        rows = read_measurements(sqlite, study.space, metric="latency_ms")
        assert [r.value for r in rows] == [p.measured["latency_ms"] for p in found]

    def test_workers_keep_no_graphs(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidArgumentError, match="`folder` must be None with an `executor`"):
            LatencyMeter(folder=tmp_path, executor=Smallest())


class TestRefine:
    def test_what_nothing_predicts_is_searched_as_without(
        self, space: SearchSpace, threads: Executor
    ) -> None:
        quality = Metric("quality", direction="maximize")
        where: list[int] = []

        def measure(subnet: Subnet) -> float:
            where.append(threading.get_ident())
            return float(len(subnet.text) + subnet.resolution)

        found = []
        for executor in (None, threads):
            study = optuna_ofa.study(
                space, predictors=[quality], objectives=["quality", "n_macs"], seed=0
            )
            found.append(study.refine({"quality": measure}, budget=10, rounds=2, executor=executor))
        assert len(where) == 20
        assert set(where[:10]) == {threading.get_ident()}
        assert threading.get_ident() not in where[10:]
        assert list(found[0].front) == list(found[1].front)
        assert str(found[0]) == str(found[1])


@pytest.mark.parametrize(
    "wrong", [3, "dask", ThreadPoolExecutor, object()], ids=["3", "name", "class", "object"]
)
@pytest.mark.parametrize("method", ["verify", "refine"])
def test_what_is_no_executor_is_refused(study: SubnetStudy, method: str, wrong: Any) -> None:
    asked: list[Subnet] = []
    arguments = {"budget": 2} if method == "refine" else {"points": 2}
    with pytest.raises(InvalidArgumentError, match="`executor` must be an executor with `submit`"):
        getattr(study, method)({"top1": asked.append}, **arguments, executor=wrong)
    assert not asked
