"""Measuring whole subnets on the workers of an executor."""

from __future__ import annotations

import os
import pickle
import platform
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optuna_ofa import MeasurementSettings, SearchSpace, measure, read_measurements
from optuna_ofa.costs import LayerSum
from optuna_ofa.exceptions import (
    FailedMeasurementWarning,
    InvalidArgumentError,
    MeasurementError,
    NoisyDeviceWarning,
)
from optuna_ofa.profiling import anchor
from optuna_ofa.profiling._turn import turn
from optuna_ofa.space import Layer, subnet_layers

pytestmark = pytest.mark.filterwarnings("ignore::optuna_ofa.exceptions.NoisyDeviceWarning")


class Workers:
    """An executor that runs tasks in this thread, and loses the worker of some.

    Args:
        loses: The numbers of submissions that are lost.
    """

    def __init__(self, loses: tuple[int, ...] = ()) -> None:
        self._loses = loses
        self.n_submitted = 0

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.n_submitted += 1
        future: Future[Any] = Future()
        if self.n_submitted in self._loses:
            future.set_exception(BrokenExecutor("killed"))
        else:
            future.set_result(function(*args, **kwargs))
        return future

    def shutdown(self, wait: bool = True) -> None:
        raise AssertionError("the executor is not ours")


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/a.db"


def test_all_parts_are_on_one_scale(
    device: Any, space: SearchSpace, price: Callable[[Layer], float], url: str
) -> None:
    matrix = np.repeat(space.sample(10, seed=0), 2, axis=0)
    true = LayerSum(space, lambda layer, _: price(layer))(matrix)
    of_anchor = sum(price(layer) for layer in subnet_layers(anchor(space.family)))
    settings, workers = MeasurementSettings(runtime=device), Workers()
    found = measure(space, matrix, settings, storage=url, anchor_ms=of_anchor, executor=workers)
    np.testing.assert_allclose(found.latency_ms, true, rtol=5e-3)
    assert len(device.loaded) == 10 + 3  # equal ones once; three parts, each beside its anchor
    rows = read_measurements(url, space, metric="latency_ms")
    assert len(rows) == 10
    assert {row.details["worker"] for row in rows} == {platform.node()}
    assert {row.details["anchor_ms"] for row in rows} == {of_anchor}


def test_what_is_known_is_not_measured_again(device: Any, space: SearchSpace, url: str) -> None:
    matrix, settings = space.sample(5, seed=0), MeasurementSettings(runtime=device)
    first = measure(space, matrix, settings, storage=url, executor=Workers())
    workers, n_loaded = Workers(), len(device.loaded)
    second = measure(space, matrix, settings, storage=url, executor=workers)
    here = measure(space, matrix, settings, storage=url)
    assert workers.n_submitted == 1  # which device it is
    assert len(device.loaded) == n_loaded
    assert first.setup == second.setup == here.setup
    assert first.latency_ms.tolist() == second.latency_ms.tolist() == here.latency_ms.tolist()


def test_workers_of_one_host_take_turns(
    make_device: Any, space: SearchSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = make_device()
    loads, who = type(device).load, []

    def load(self: Any, path: Path, **options: Any) -> Any:
        who.append(threading.get_ident())
        time.sleep(0.001)  # others would come in between
        return loads(self, path, **options)

    monkeypatch.setattr(type(device), "load", load)
    with ThreadPoolExecutor(3) as pool:
        measure(space, space.sample(12, seed=0), MeasurementSettings(runtime=device), executor=pool)
    parts = [who[start : start + 5] for start in range(0, len(who), 5)]  # anchors and fours
    assert [len(set(part)) for part in parts] == [1, 1, 1]


def test_a_lost_worker_is_another_try(device: Any, space: SearchSpace) -> None:
    matrix, settings = space.sample(8, seed=0), MeasurementSettings(runtime=device)
    with pytest.warns(FailedMeasurementWarning, match="A worker was lost"):
        found = measure(space, matrix, settings, executor=Workers(loses=(3,)))
    assert found.measured.all()
    assert not found.failures


def test_a_device_of_another_kind_is_refused(
    make_device: Any, space: SearchSpace, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = make_device()
    versions = iter(["1", "1", "2", "2"])
    monkeypatch.setattr(type(device), "versions", lambda self: {"fake": next(versions)})
    matrix, settings = space.sample(8, seed=0), MeasurementSettings(runtime=device)
    expected = r"workers of `executor` must be devices of one kind, .* has versions \{'fake': '2'\}"
    with pytest.raises(MeasurementError, match=expected):
        measure(space, matrix, settings, storage=url, executor=Workers())
    monkeypatch.undo()


def test_a_subnet_that_fails_is_a_failure(make_device: Any, url: str) -> None:
    space = SearchSpace("ofa_mbv3_w1.0", resolution=64).restrict(depth=2, expand=3)
    good, bad = (space.restrict(kernel=k).sample(1, seed=0) for k in (3, 7))
    settings = MeasurementSettings(runtime=make_device(breaks_on=7))
    matrix = np.concatenate([good, bad])
    with pytest.warns(FailedMeasurementWarning, match="fake failed on 1 of 2 subnets"):
        found = measure(space, matrix, settings, storage=url, executor=Workers())
    assert found.measured.tolist() == [True, False]
    rows = read_measurements(url, space, metric="latency_ms", failed=True)
    assert [row.details["worker"] for row in rows] == [platform.node()] * 2


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not pin")
def test_a_worker_gets_its_processors_back(device: Any, space: SearchSpace) -> None:
    before = os.sched_getaffinity(0)
    settings = MeasurementSettings(runtime=device, pin=(min(before),))
    measure(space, space.sample(1, seed=0), settings, executor=Workers())
    assert os.sched_getaffinity(0) == before


def test_a_folder_of_graphs_is_refused(device: Any, space: SearchSpace, tmp_path: Path) -> None:
    workers = Workers()
    with pytest.raises(InvalidArgumentError, match="`folder` must be None with an `executor`"):
        measure(
            space,
            space.sample(1, seed=0),
            MeasurementSettings(runtime=device),
            folder=tmp_path,
            executor=workers,
        )
    assert workers.n_submitted == 0


def test_devices_that_cannot_be_asked_are_said(device: Any, space: SearchSpace) -> None:
    expected = "Workers were lost each time .*not done: to say which device it is"
    with (
        pytest.warns(FailedMeasurementWarning, match="A worker was lost"),
        pytest.raises(MeasurementError, match=expected),
    ):
        measure(
            space,
            space.sample(1, seed=0),
            MeasurementSettings(runtime=device),
            executor=Workers(loses=(1, 2, 3)),
        )


class Pickling(Workers):
    """Workers in other processes, as far as tasks are concerned."""

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        try:
            return super().submit(*pickle.loads(pickle.dumps((function, *args))), **kwargs)
        except Exception as error:
            future: Future[Any] = Future()
            future.set_exception(error)
            return future


def test_a_runtime_that_cannot_be_sent_is_named(device: Any, space: SearchSpace) -> None:
    device.lock = threading.Lock()
    expected = r"`runtime` must be picklable for the workers .*got Device\(.*cannot pickle"
    with pytest.raises(InvalidArgumentError, match=expected):
        measure(
            space, space.sample(1, seed=0), MeasurementSettings(runtime=device), executor=Pickling()
        )


@pytest.mark.filterwarnings("default::optuna_ofa.exceptions.NoisyDeviceWarning")
def test_noise_is_said_once(make_device: Any, space: SearchSpace) -> None:
    settings = MeasurementSettings(runtime=make_device(noise=0.5), n_rounds=5)
    with pytest.warns(NoisyDeviceWarning) as said:
        measure(space, space.sample(12, seed=0), settings, executor=Workers())
    texts = [str(one.message) for one in said]
    (spread,) = [text for text in texts if text.startswith("Repeated runs differ by")]
    assert "in the worst of 3 such groups of networks among 3" in spread
    assert len(texts) == len({text[:20] for text in texts})


@pytest.mark.usefixtures("usual_signals")
def test_sigterm_unwinds_without_a_database(
    make_device: Any, space: SearchSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers, device = [], make_device()

    def versions(self: Any) -> dict[str, str]:
        handlers.append(signal.getsignal(signal.SIGTERM))
        return {"fake": "1"}

    monkeypatch.setattr(type(device), "versions", versions)
    measure(space, space.sample(1, seed=0), MeasurementSettings(runtime=device))
    with pytest.raises(SystemExit, match="143"):
        handlers[0](signal.SIGTERM, None)


@pytest.mark.parametrize(
    "wrong", [2, "boards", Workers, object()], ids=["n", "text", "class", "any"]
)
def test_what_is_no_executor_is_refused(device: Any, space: SearchSpace, wrong: Any) -> None:
    settings = MeasurementSettings(runtime=device)
    with pytest.raises(InvalidArgumentError, match="`executor` must be an executor with `submit`"):
        measure(space, space.sample(1, seed=0), settings, executor=wrong)
    assert not device.loaded


def test_a_turn_ends_with_its_block() -> None:
    inside, order = threading.Event(), []

    def first() -> None:
        with turn("a test"):
            inside.set()
            time.sleep(0.05)
            order.append("first")

    thread = threading.Thread(target=first)
    thread.start()
    inside.wait()
    with turn("another test"):  # does not wait
        order.append("another")
    with turn("a test"):
        order.append("second")
    thread.join()
    assert order == ["another", "first", "second"]
