"""One evaluation by one process, by two, and on two workers of each engine, side by side.

    python benchmarks/engines.py

100 random subnets of the packaged supernet on the packaged images, each process with one thread. A
speed-up is the wall time of one process divided by that of two workers; with ``--warm`` a small
evaluation comes first on each engine, so that its workers have imported torch. It says little where
there are not two idle cores: what the workers needed in CPU seconds is printed beside it. Results
must be equal to the last bit, or the script fails. An engine that is not installed is skipped.

With ``--kill`` a loader kills one worker of four in the middle of each evaluation.
"""

from __future__ import annotations

import argparse
import contextlib
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported, for the workers too

import signal
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _head import print_head
from torch.utils.data import DataLoader

import optuna_ofa
from optuna_ofa.data import packaged_images, packaged_supernet
from optuna_ofa.executors import Executor, RayExecutor

SEED = 0
Accuracies = Any


def images(resolution: int) -> DataLoader[Any]:
    """The packaged test images; workers make the loader themselves."""
    return DataLoader(packaged_images().test, batch_size=250)


class KillsOnce:
    """A function that makes loaders, and kills the process that makes the sixth."""

    def __init__(self, folder: str) -> None:
        self._folder, self._parent = Path(folder), os.getpid()

    def __call__(self, resolution: int) -> DataLoader[Any]:
        if os.getpid() != self._parent:
            n = len(list(self._folder.iterdir()))
            (self._folder / f"{os.getpid()}-{time.time_ns()}").touch()
            if n == 5:
                os.kill(os.getpid(), signal.SIGKILL)
        return images(resolution)


@contextlib.contextmanager
def spawned(n: int) -> Iterator[Executor]:
    """Python's pool."""
    with ProcessPoolExecutor(n, get_context("spawn")) as pool:
        yield pool


@contextlib.contextmanager
def dask(n: int) -> Iterator[Executor]:
    """A local cluster of Dask."""
    from distributed import Client, LocalCluster

    options: dict[str, Any] = {"dashboard_address": None, "silence_logs": 50}
    with (
        LocalCluster(n_workers=n, threads_per_worker=1, **options) as cluster,
        Client(cluster) as client,
    ):
        yield client.get_executor()


@contextlib.contextmanager
def loky(n: int) -> Iterator[Executor]:
    """Loky's pool."""
    import loky

    with loky.ProcessPoolExecutor(n) as pool:
        yield pool


@contextlib.contextmanager
def ray(n: int) -> Iterator[Executor]:
    """A local cluster of Ray."""
    import ray

    options: dict[str, Any] = {"include_dashboard": False, "log_to_driver": False}
    ray.init(num_cpus=n, logging_level="ERROR", **options)
    yield RayExecutor(num_cpus=1)
    ray.shutdown()


ENGINES: dict[str, Callable[[int], contextlib.AbstractContextManager[Executor]]] = {
    "pool": spawned,
    "dask": dask,
    "loky": loky,
    "ray": ray,
}


def cpu_of_children() -> float:
    """CPU seconds of all processes that were started here and have ended."""
    times = os.times()
    return times.children_user + times.children_system


def timed(name: str, work: Callable[[], Accuracies]) -> tuple[str, Accuracies, float]:
    """Return the cells of a line, what was found, and the wall time."""
    load, start = os.getloadavg()[0], time.perf_counter()
    found = work()
    wall = time.perf_counter() - start
    return f"| {name} | {wall:.1f} | {{}} | {load:.1f} |", found, wall


def main() -> None:
    """Print a line for each engine."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--subnets", type=int, default=100)
    parser.add_argument("--engines", nargs="*", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--warm", action="store_true", help="start the workers before")
    parser.add_argument("--kill", action="store_true", help="one worker of four")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print_head()
    print(f"{arguments.subnets} subnets, seed {SEED}\n")
    supernet = packaged_supernet()
    matrix = optuna_ofa.SearchSpace(supernet.family).sample(arguments.subnets, seed=SEED)
    settings = optuna_ofa.EvaluationSettings(calibration=packaged_images().train.tensors[0])
    two = optuna_ofa.EvaluationSettings(calibration=settings.calibration, processes=2)
    evaluate = partial(optuna_ofa.evaluate, supernet, progress=False)
    print("| workers | wall s | times one process | load before |\n|---|---|---|---|")
    line, serial, one = timed("one process", lambda: evaluate(matrix, images, settings))
    print(line.format("1"), flush=True)

    def compare(name: str, work: Callable[[], Accuracies]) -> None:
        line, found, wall = timed(name, work)
        assert np.array_equal(found.top1, serial.top1), name
        assert np.array_equal(found.top5, serial.top5), name
        print(line.format(f"{one / wall:.2f}"), flush=True)

    compare("processes=2", lambda: evaluate(matrix, images, two))
    for name in arguments.engines:
        try:
            with ENGINES[name](4 if arguments.kill else 2) as executor:
                run = partial(evaluate, settings=settings, executor=executor)
                if arguments.warm:
                    run(matrix[:4], images)
                if not arguments.kill:
                    compare(name, partial(run, matrix, images))
                    continue
                with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(record=True):
                    loader = KillsOnce(folder)
                    compare(f"{name}, one of 4 killed", partial(run, matrix, loader))
                    assert len(list(Path(folder).iterdir())) > 5, "none was killed"
        except ImportError as error:
            print(f"| {name} | skipped: {error} |")
    print(f"\n{cpu_of_children():.0f} CPU s of the workers")


if __name__ == "__main__":
    main()
