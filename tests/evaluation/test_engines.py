"""`evaluate` on the workers of several engines: what one process finds, to the last bit."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import pickle
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
import torch
from torch.utils.data import DataLoader

import optuna_ofa
from optuna_ofa import EvaluationSettings, Supernet, evaluate
from optuna_ofa.evaluation import Accuracies
from optuna_ofa.evaluation._groups import divided
from optuna_ofa.exceptions import FailedMeasurementWarning, InvalidArgumentError, MeasurementError
from optuna_ofa.executors import Executor, RayExecutor, Shared
from optuna_ofa.space import SearchSpace

ROOT = Path(__file__).resolve().parents[2]
Loaders = Callable[..., DataLoader]


@contextlib.contextmanager
def _dask() -> Iterator[Executor]:
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, dashboard_address=None, silence_logs=50
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client.get_executor()


@contextlib.contextmanager
def _loky() -> Iterator[Executor]:
    loky = pytest.importorskip("loky")
    with loky.ProcessPoolExecutor(1) as pool:
        yield pool


@contextlib.contextmanager
def _ray() -> Iterator[Executor]:
    ray = pytest.importorskip("ray")
    options = {"include_dashboard": False, "log_to_driver": False, "logging_level": "ERROR"}
    ray.init(num_cpus=1, object_store_memory=80 << 20, **options)
    try:
        yield RayExecutor(num_cpus=1)
    finally:
        ray.shutdown()


ENGINES = {"dask": _dask, "loky": _loky, "ray": _ray}


@pytest.fixture(scope="module")
def pool() -> Iterator[Executor]:
    """Four processes for the price of one: they are forked from one that has imported torch."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["optuna_ofa.evaluation"])
    with ProcessPoolExecutor(4, context) as pool:
        yield pool


@pytest.fixture(scope="module", params=["pool", *ENGINES])
def engine(request: pytest.FixtureRequest) -> Iterator[Executor]:
    if request.param == "pool":
        yield request.getfixturevalue("pool")
        return
    with ENGINES[request.param]() as executor:
        yield executor


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/evaluated.db"


COSTS = np.arange(10.0)
RUNGS = (20,)


@pytest.fixture(scope="module")
def guessing(space: SearchSpace) -> Supernet:
    """A supernet with random weights, whose accuracies differ."""
    torch.manual_seed(0)
    return Supernet(space.family)


@pytest.fixture(scope="module")
def serial(
    guessing: Supernet, space: SearchSpace, make_loader: Loaders
) -> tuple[Accuracies, Accuracies]:
    """What one process finds on all images, and in a race."""
    settings = EvaluationSettings(calibration=make_loader(100), rungs=RUNGS)
    work = guessing, space.sample(10, seed=2), make_loader(80), settings
    return evaluate(*work), evaluate(*work, costs=COSTS)


@pytest.mark.filterwarnings("ignore")  # engines warn of the machine
def test_an_engine_finds_what_one_process_finds(
    engine: Executor,
    guessing: Supernet,
    serial: tuple[Accuracies, Accuracies],
    make_loader: Loaders,
    url: str,
) -> None:
    whole, race = serial
    settings = EvaluationSettings(calibration=make_loader(100), rungs=RUNGS)
    work = guessing, whole.matrix, make_loader(80), settings
    found = evaluate(*work, executor=engine, storage=url)
    np.testing.assert_array_equal(found.top1, whole.top1)
    np.testing.assert_array_equal(found.top5, whole.top5)
    raced = evaluate(*work, costs=COSTS, executor=engine)
    np.testing.assert_array_equal(raced.top1, race.top1)
    assert raced.partial == race.partial


@pytest.mark.parametrize(("given", "expected"), [({}, 0), ({"max_retries": 2}, 2)])
def test_ray_leaves_lost_tasks_to_who_submits(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, int], expected: int
) -> None:
    ray = pytest.importorskip("ray")
    options: dict[str, Any] = {}

    class Remote:
        def options(self, **of: Any) -> None:
            options.update(of)

    monkeypatch.setattr(ray, "remote", lambda function: Remote())
    RayExecutor(num_cpus=2, **given)
    assert options == {"num_cpus": 2, "max_retries": expected}


MPI = """
import json, torch
from mpi4py.futures import MPIPoolExecutor
from optuna_ofa import EvaluationSettings, Supernet, evaluate
from optuna_ofa.space import SearchSpace
from tests.evaluation.conftest import FAMILY, loader_of

def images(resolution):
    return loader_of(80)

if __name__ == "__main__":
    torch.manual_seed(0)
    settings = EvaluationSettings(calibration=loader_of(100))
    work = Supernet(FAMILY), SearchSpace(FAMILY).sample(6, seed=2), images, settings
    with MPIPoolExecutor() as pool:
        found = evaluate(*work, executor=pool)
    print(json.dumps([found.top1.tolist(), evaluate(*work).top1.tolist()]))
"""


def test_mpi_finds_what_one_process_finds(tmp_path: Path) -> None:
    pytest.importorskip("mpi4py")
    mpiexec = shutil.which("mpiexec", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if mpiexec is None:
        pytest.skip("there is no mpiexec")
    script = tmp_path / "try_mpi.py"
    script.write_text(MPI)
    command = [mpiexec, "-n", "2", sys.executable, "-m", "mpi4py.futures", str(script)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    on_workers, serial = json.loads(done.stdout.splitlines()[-1])
    assert on_workers == serial


class KillsOnce:
    """A loader that kills the process which is the third to read it, but for its own."""

    def __init__(self, folder: Path, loader: DataLoader) -> None:
        self.parent, self.folder, self.loader = os.getpid(), folder, loader

    def __iter__(self) -> Iterator[Any]:
        if os.getpid() != self.parent and len(list(self.folder.iterdir())) < 3:
            (self.folder / str(len(list(self.folder.iterdir())))).touch()
            if (self.folder / "2").exists():
                os.kill(os.getpid(), signal.SIGKILL)
        return iter(self.loader)


def test_a_killed_worker_of_four_costs_nothing_but_time(
    pool: Executor,
    guessing: Supernet,
    space: SearchSpace,
    make_loader: Loaders,
    url: str,
    tmp_path: Path,
) -> None:
    matrix = space.sample(24, seed=2)
    settings = EvaluationSettings(calibration=make_loader(100))
    folder = tmp_path / "read"
    folder.mkdir()
    loader = KillsOnce(folder, make_loader(80))
    with pytest.warns(FailedMeasurementWarning, match="A worker was lost"):
        found = evaluate(guessing, matrix, loader, settings, executor=pool, storage=url)
    np.testing.assert_array_equal(
        found.top1, evaluate(guessing, matrix, make_loader(80), settings).top1
    )
    assert not found.failures
    with sa.create_engine(url).connect() as connection:
        rows = connection.execute(
            sa.text("SELECT subnet_id, error FROM ofa_measured WHERE metric = 'top1'")
        ).all()
    assert len(rows) == len({row[0] for row in rows}) == 24
    assert {row[1] for row in rows} == {None}


class Lost:
    """An engine that loses every worker."""

    def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_exception(BrokenExecutor("no more workers"))
        return future

    def shutdown(self, wait: bool = True) -> None: ...


@pytest.mark.filterwarnings("ignore:A worker was lost")
def test_subnets_that_lose_every_worker_are_named_and_not_stored(
    guessing: Supernet, space: SearchSpace, make_loader: Loaders, url: str
) -> None:
    settings = EvaluationSettings(calibration=make_loader(60))
    message = r"not done: quadrants@.*no more workers\. What was evaluated before is kept"
    with pytest.raises(MeasurementError, match=message):
        evaluate(
            guessing,
            space.sample(2, seed=0),
            make_loader(50),
            settings,
            executor=Lost(),
            storage=url,
        )
    assert optuna_ofa.read_measurements(url, space, metric="top1", failed=True) == []


class Counted(ThreadPoolExecutor):
    """Counts the bytes of tasks."""

    n_bytes: tuple[int, ...] = ()

    def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.n_bytes += (len(pickle.dumps((function, args, kwargs))),)
        return super().submit(function, *args, **kwargs)


def test_a_task_has_a_few_kilobytes(
    guessing: Supernet, space: SearchSpace, make_loader: Loaders
) -> None:
    settings = EvaluationSettings(calibration=make_loader(100), rungs=(20, 40))
    with Counted(1) as executor:
        evaluate(
            guessing,
            space.sample(12, seed=0),
            make_loader(80),
            settings,
            costs=np.arange(12.0),
            executor=executor,
        )
    assert max(executor.n_bytes) < 4_000


def test_workers_that_do_not_see_the_folder_get_all_once(
    space: SearchSpace, make_loader: Loaders, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = Shared.put
    monkeypatch.setattr(
        Shared, "put", lambda self, write: put(self, write)._replace(folder="/nowhere")
    )
    torch.manual_seed(77)  # weights that this process has not received in another test
    supernet = Supernet(space.family)
    settings = EvaluationSettings(calibration=make_loader(90))
    matrix, loader = space.sample(12, seed=1), make_loader(70)
    serial = evaluate(supernet, matrix, loader, settings)
    n_large = []
    with Counted(1) as executor:
        for _ in range(2):
            found = evaluate(supernet, matrix, loader, settings, executor=executor)
            np.testing.assert_array_equal(found.top1, serial.top1)
            n_large.append(sum(n > 4_000 for n in executor.n_bytes))
    assert n_large == [3, 3]  # supernet, loader and calibration, which serve the second call too


@pytest.mark.usefixtures("usual_signals")
def test_sigterm_unwinds_without_a_database(
    guessing: Supernet, space: SearchSpace, make_loader: Loaders
) -> None:
    handlers = []

    def loader(resolution: int) -> DataLoader:
        handlers.append(signal.getsignal(signal.SIGTERM))
        return make_loader(50)

    evaluate(guessing, space.smallest(), loader, EvaluationSettings(calibration=make_loader(60)))
    with pytest.raises(SystemExit, match="143"):
        handlers[0](signal.SIGTERM, None)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_groups_are_larger_first_and_share_what_is_left(space: SearchSpace) -> None:
    subnets = space.from_matrix(space.sample(60, seed=0))
    groups = list(divided(subnets, 4))
    assert {s for group in groups for s in group} == set(subnets)
    assert [g[0].resolution for g in groups] == sorted(
        (g[0].resolution for g in groups), reverse=True
    )
    assert len(groups[0]) == 8
    assert len(groups[-1]) == 1
    assert all(len({s.resolution for s in group}) == 1 for group in groups)


def device_of_worker(number: int) -> str:
    return "cpu"


def no_device(number: int) -> str:
    return "abacus"


@pytest.mark.parametrize("device", ["auto", device_of_worker], ids=["auto", "function"])
def test_a_device_for_each_worker(
    guessing: Supernet, space: SearchSpace, make_loader: Loaders, device: Any
) -> None:
    settings = EvaluationSettings(calibration=make_loader(60), device=device)
    with ThreadPoolExecutor(2) as executor:
        found = evaluate(
            guessing, space.sample(3, seed=0), make_loader(50), settings, executor=executor
        )
    assert np.isfinite(found.top1).all()


@pytest.mark.parametrize(
    ("names", "n", "expected"),
    [
        (None, 4, ["cuda:0", "cuda:1", "cuda:2", "cuda:3", "cuda:0"]),
        ("2,3,0,1", 4, ["cuda:2", "cuda:3", "cuda:0", "cuda:1", "cuda:2"]),  # as dask-cuda does
        ("5", 1, ["cuda:0"] * 5),
        (None, 0, ["cpu"] * 5),
    ],
    ids=["all", "rotated", "one", "none"],
)
def test_the_gpu_of_a_worker(
    monkeypatch: pytest.MonkeyPatch, names: str | None, n: int, expected: list[str]
) -> None:
    from optuna_ofa.evaluation import _device

    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if names is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", names)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: n)
    found = []
    for number in range(5):
        monkeypatch.setattr(_device, "worker_number", lambda number=number: number)
        found.append(str(_device.device_of("auto")))
    assert found == expected


@pytest.mark.parametrize(
    ("settings", "executor", "message"),
    [
        ({"device": no_device}, "threads", r"`device` must be .*returned 'abacus' for worker \d"),
        ({"device": 3}, "threads", "`device` must be a string"),
        ({"device": lambda: "cpu"}, "threads", "`device` must be .*a function of 1 argument"),
        ({"processes": 2}, "threads", "`processes` must be 1 with an `executor`"),
        ({}, ThreadPoolExecutor, "`executor` must be an executor with `submit`"),
        ({}, 3, "`executor` must be an executor with `submit`"),
        ({}, "fork", "`executor` must be an executor .* does not fork"),
    ],
    ids=["function", "number", "no-argument", "both", "class", "no-executor", "fork"],
)
def test_bad_engines_are_refused(
    guessing: Supernet,
    space: SearchSpace,
    make_loader: Loaders,
    settings: dict[str, Any],
    executor: Any,
    message: str,
) -> None:
    if executor == "threads":
        executor = ThreadPoolExecutor(1)
    if executor == "fork":
        executor = ProcessPoolExecutor(1, multiprocessing.get_context("fork"))
    with pytest.raises(InvalidArgumentError, match=message):
        evaluate(
            guessing,
            space.smallest(),
            make_loader(50),
            EvaluationSettings(calibration=make_loader(60), **settings),
            executor=executor,
        )


class CannotBeSent:
    """A loader whose own error says why."""

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __reduce__(self) -> str:
        raise ValueError("is open elsewhere")


@pytest.mark.parametrize(
    ("argument", "value", "reason"),
    [
        ("loader", lambda resolution: [], "<lambda>"),
        ("loader", CannotBeSent(), "is open elsewhere"),
        ("device", lambda number: "cpu", "<lambda>"),
    ],
    ids=["loader", "its error", "device"],
)
def test_what_cannot_be_sent_is_named(
    guessing: Supernet,
    space: SearchSpace,
    make_loader: Loaders,
    argument: str,
    value: Any,
    reason: str,
) -> None:
    given = {"loader": make_loader(50), "device": "cpu", argument: value}
    settings = EvaluationSettings(
        calibration=make_loader(60), processes=2, device=given.pop("device")
    )
    expected = rf"`{argument}` must be picklable .* function at the top of a module, .*{reason}"
    with pytest.raises(InvalidArgumentError, match=expected):
        evaluate(guessing, space.smallest(), given["loader"], settings)


def test_the_torch_of_the_worker_is_stored(
    guessing: Supernet,
    space: SearchSpace,
    make_loader: Loaders,
    url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from optuna_ofa.evaluation import _workers

    score = _workers.score_subnets
    monkeypatch.setattr(
        _workers, "score_subnets", lambda *work: score(*work)._replace(torch="9.8", host="there")
    )
    settings = EvaluationSettings(calibration=make_loader(60))
    with ThreadPoolExecutor(1) as executor:
        evaluate(
            guessing, space.smallest(), make_loader(50), settings, storage=url, executor=executor
        )
    (reading,) = optuna_ofa.read_measurements(url, space, metric="top1")
    assert (reading.details["torch"], reading.details["worker"]) == ("9.8", "there")
