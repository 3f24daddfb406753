"""Fixtures that several rooms share."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import platform
import signal
import threading
import time
import warnings

# Networks are small, and tests run beside each other; torch reads this when it is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# The last bits of NumPy's products are those of the kernels that OpenBLAS chooses by processor.
if platform.machine() == "x86_64":
    os.environ.setdefault("OPENBLAS_CORETYPE", "Haswell")

import fcntl
import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import uuid4

import numpy as np
import optuna
import pytest
import sqlalchemy as sa
from numpy.typing import NDArray
from optuna.storages import RDBStorage
from optuna.storages._rdb import models

import optuna_ofa
from optuna_ofa import SearchSpace, fronts, studies
from optuna_ofa.exceptions import DownloadError, ExtrapolationWarning
from optuna_ofa.fronts import Values
from optuna_ofa.predictors import CostPredictor, Predictor
from optuna_ofa.samplers import Constant, EvolutionarySampler
from optuna_ofa.space import Matrix
from optuna_ofa.studies import SubnetStudy

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
# Files whose tests take long and share nothing: they need not run in the same process.
DISTRIBUTED = {
    "tests/docs/test_pages.py",
    "tests/profiling/test_graphs.py",
    "tests/storage/test_readers.py",
    "tests/storage/test_workers.py",
    "tests/studies/test_learner.py",
    "tests/test_examples.py",
    "tests/test_notebooks.py",
}
# Tests that measure times: none runs beside another.
MEASURING = (
    "tests/commands/test_devices.py",
    "tests/docs/test_pages.py::test_the_python_of_a_page_runs_and_prints_what_is_shown[docs/guides/device.md]",
    "tests/profiling/test_on_device.py",
    "tests/profiling/test_profile.py",
    "tests/test_examples.py::test_deploy_modes",
    "tests/test_examples.py::test_latency_of_this_device",
    "tests/test_examples.py::test_measure_batches",
    "tests/test_examples.py::test_own_runtime",
    "tests/test_examples.py::test_quickstart",
    "tests/test_examples.py::test_search_measured",
    "tests/test_notebooks.py",
)


@pytest.fixture
def usual_signals() -> Iterator[None]:
    """Let SIGINT and SIGTERM act as in a new process, whatever a library has made of them.

    Ray, for one, leaves a handler of SIGTERM behind. Nor is a signal's number written to a file
    that an event loop has left: the descriptor may be another one's by now, such as that of the
    connection to the process that collects the results.
    """
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    signal.set_wakeup_fd(-1)
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, usual[number] if handler is None else handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put tests that take long first, and skip those of LiteRT where its packages are missing."""
    n_tests = Counter(item.nodeid.split("::")[0] for item in items)

    def order(item: pytest.Item) -> tuple[bool, int]:
        file = item.nodeid.split("::")[0]
        return not (file in DISTRIBUTED or item.nodeid.startswith(MEASURING)), -n_tests[file]

    items.sort(key=order)
    if all(map(find_spec, ("litert_torch", "ai_edge_quantizer", "tflite_micro"))):
        return
    skip = pytest.mark.skip(reason="the dependency group litert is not installed")
    for item in items:
        if item.get_closest_marker("litert"):
            item.add_marker(skip)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Distribute files in our order, each to one process, which makes its fixtures once."""
    from xdist.scheduler import LoadScopeScheduling

    config.option.loadscopereorder = False

    class Scheduling(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            if nodeid.startswith(MEASURING):
                return "measuring"
            file = nodeid.split("::")[0]
            return nodeid if file in DISTRIBUTED else file

    return Scheduling(config, log)


# Published files that `optuna_ofa.fetch` downloads, by their place in the folder of data.
FETCHED = {
    "note10_w1.2": "note10",
    "i7-8700k_w1.0/i7-8700K_lut.yaml": "i7-8700k",
    "proxylessnas/mobile_trim.yaml": "mobile_trim",
    "ofa_mbv3_w1.2_acc_predictor.pth": "ofa_mbv3_w1.2_accuracy",
    "ofa_resnet50_acc_predictor.pth": "ofa_resnet50_accuracy",
}


class PublishedData(type(Path())):  # type: ignore[misc]
    """A folder of which some files may be missing: a test that names one of these is skipped."""

    def __truediv__(self, key: str | os.PathLike[str]) -> Path:
        path = Path(self) / key
        is_whole = SHARED.is_dir() or str(key).startswith(tuple(FETCHED))
        if not is_whole or not path.exists():
            pytest.skip(f"{key} is not in {SHARED}, nor downloaded by `optuna_ofa.fetch`")
        return path


@pytest.fixture(scope="session")
def shared_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of published tables, predictors and measured subnets beside the project.

    Elsewhere it holds what `optuna_ofa.fetch` has downloaded to the user's cache.
    """
    if SHARED.is_dir():
        return PublishedData(SHARED)
    folder = tmp_path_factory.mktemp("published")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPTUNA_OFA_OFFLINE", "1")
        for place, name in FETCHED.items():
            with contextlib.suppress(DownloadError):
                (folder / place).parent.mkdir(exist_ok=True)
                (folder / place).symlink_to(optuna_ofa.fetch(name))
    return PublishedData(folder)


@pytest.fixture
def whole_data(shared_data: Path) -> Path:
    """The folder of published data, for programs that open its files themselves."""
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is missing, from which a program reads")
    return Path(shared_data)


class FileServer(ThreadingHTTPServer):
    """A server of the files in a folder, on this machine, that lists the requests."""

    folder: Path
    requests: list[str]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(SimpleHTTPRequestHandler):
    """Serves files; ``/cut/``, ``/half/`` and ``/moved/`` before a name are special."""

    server: FileServer

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        kind, _, name = self.path[1:].rpartition("/")
        if kind == "moved":
            self.send_response(302)
            self.send_header("Location", f"/{name}")
            self.end_headers()
        elif kind in ("cut", "half"):  # a broken connection, and a file that is shorter
            self.send_response(200)
            if kind == "cut":
                self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"half")
        else:
            super().do_GET()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def file_server(tmp_path: Path) -> Iterator[FileServer]:
    """A server of the files that the test writes to its ``folder``."""
    folder = tmp_path / "server"
    folder.mkdir()
    with FileServer(("127.0.0.1", 0), partial(_Handler, directory=str(folder))) as httpd:
        httpd.folder, httpd.requests = folder, []
        # Polling often makes the fixture end sooner.
        thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
        thread.start()
        yield httpd
        httpd.shutdown()
        thread.join()


@pytest.fixture
def download_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of downloads, which are allowed and go to no proxy."""
    monkeypatch.setenv("OPTUNA_OFA_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("OPTUNA_OFA_OFFLINE", raising=False)
    for proxy in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def one_thread() -> Iterator[None]:
    """Torch computes in one thread from then on, where it is installed."""
    if find_spec("torch") is None:  # .ci/packages runs tests that need none
        yield
        return
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def import_path() -> Callable[[Path], ModuleType]:
    """Import a file that is in no package."""

    def load(path: Path) -> ModuleType:
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="session")
def reference(import_path: Callable[[Path], ModuleType]) -> ModuleType:
    """``tests/_reference_ofa.py``."""
    pytest.importorskip("ofa", reason="the ofa package is not installed")
    return import_path(Path(__file__).parent / "_reference_ofa.py")


@pytest.fixture(scope="session")
def ofa(reference: ModuleType) -> ModuleType:
    """The ``ofa`` package, whose modules can be imported from then on."""
    for name in (reference.NETWORKS, "ofa.tutorial", "ofa.nas.accuracy_predictor"):
        reference.import_reference(name)
    module: ModuleType = reference.import_reference("ofa")
    return module


class Processes:
    """Processes that run code. They are forked from one that has imported what takes long.

    Args:
        folder: For what they write to stderr.
    """

    PRELOADED = (
        "optuna.storages._rdb.storage",
        "optuna_ofa.storage",
        "optuna_ofa.studies",
        "optuna_ofa.training",
        "torch._dynamo",  # each optimiser imports it
        "torch.distributed",
    )

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(list(self.PRELOADED))

    def start(self, code: str, **names: object) -> BaseProcess:
        """Start a process that runs ``code``, which knows ``names``."""
        redirect = "import sys\nsys.stderr = open(errors, 'a')\n"
        errors = self._folder / f"{uuid4()}.txt"
        target = {"target": exec, "args": (redirect + code, {**names, "errors": errors})}
        process = self._context.Process(name=str(errors), **target)  # type: ignore[arg-type]
        process.start()
        return process

    def finish(self, *processes: BaseProcess) -> None:
        """Wait for processes, which must not fail."""
        for process in processes:
            process.join()
        for process in processes:
            assert process.exitcode == 0, Path(process.name).read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Processes:
    """Processes of their own for a test, which start at once."""
    return Processes(tmp_path_factory.mktemp("processes"))


@pytest.fixture
def quiet_optuna() -> Iterator[None]:
    """Optuna reports warnings alone."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    yield
    optuna.logging.set_verbosity(verbosity)


@pytest.fixture
def searched() -> Callable[..., SubnetStudy]:
    """Make a study on the packaged predictors and search it a little."""

    def make(n: int = 60, **arguments: object) -> SubnetStudy:
        arguments.setdefault("constraints", {"latency_ms": 20.0})
        arguments.setdefault("study_name", "laptop")
        study = optuna_ofa.study("ofa_mbv3_w1.0", seed=7, **arguments)  # type: ignore[arg-type]
        # the first trials and the last are apart in time, on however fast a machine
        study.search(n, callbacks=[lambda *_: time.sleep(0.01)])
        return study

    return make


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Callable[[SubnetStudy], Counter[str]]:
    """Count how often the trials of a study are read and its fronts found, from then on."""

    def count(study: SubnetStudy) -> Counter[str]:
        counts: Counter[str] = Counter()

        def watch(owner: object, name: str) -> None:
            original = getattr(owner, name)

            def call(*args: object, **options: object) -> object:
                counts[name] += 1
                return original(*args, **options)

            monkeypatch.setattr(owner, name, call)

        watch(type(study.store), "read")
        for module in (fronts._findings, studies._study):
            watch(module, "find_front")
        return counts

    return count


@pytest.fixture(params=[1, 2, 3], ids=["1-objective", "2-objectives", "3-objectives"])
def points(request: pytest.FixtureRequest) -> Values:
    """Random points with many ties and duplicates."""
    rng = np.random.default_rng(request.param)
    return rng.integers(0, 6, size=(80, request.param)).astype(float)


Formula = Callable[[Matrix], NDArray[np.float64]]
DATABASES = {"postgresql": "OPTUNA_OFA_TEST_POSTGRESQL", "mysql": "OPTUNA_OFA_TEST_MYSQL"}


class FormulaPredictor(Predictor):
    """Predicts by a function, which tests exchange."""

    def __init__(self, metric: str, space: SearchSpace, formula: Formula) -> None:
        self.metric = metric
        self.space = space
        self.formula = formula

    def predict(self, matrix: Matrix) -> NDArray[np.float64]:
        return self.formula(matrix)


class FarPredictor(FormulaPredictor):
    """Accuracies with deviations of half a point, 3 points and extrapolated above a limit."""

    def __init__(self, space: SearchSpace, formula: Formula, limit: float) -> None:
        super().__init__("top1", space, formula)
        self.limit = limit

    def predict_std(self, matrix: Matrix) -> NDArray[np.float64]:
        return np.where(self.extrapolates(matrix), 3.0, 0.5)

    def extrapolates(self, matrix: Matrix) -> NDArray[np.bool_]:
        return self.predict(matrix) > self.limit

    def extrapolation_reasons(self, matrix: Matrix) -> list[str]:
        return [f"above {self.limit:g} %"] * bool(self.extrapolates(matrix).any())


@pytest.fixture
def space() -> SearchSpace:
    """MobileNetV3 at one resolution."""
    return SearchSpace("ofa_mbv3_w1.0").restrict(resolution=224)


@pytest.fixture
def small_space() -> SearchSpace:
    """243 subnets."""
    return SearchSpace("ofa_mbv3_w1.0").restrict(resolution=224, kernel=3, expand=3)


@pytest.fixture
def predictor() -> Callable[..., Predictor]:
    """Make a predictor from a function; by default one that is not unlike the real thing.

    Accuracy grows with the logarithm of the parameters, and latency with the multiply-adds.
    """

    def make(metric: str, space: SearchSpace, formula: Formula | None = None) -> Predictor:
        if formula is None and metric == "top1":
            params = CostPredictor("n_params", space)
            formula = lambda m: 70 + 10 * np.log(params.predict(m) / 3_410_792)  # noqa: E731
        elif formula is None:
            macs = CostPredictor("n_macs", space)
            formula = lambda m: macs.predict(m) / 1e7  # noqa: E731
        return FormulaPredictor(metric, space, formula)

    return make


@pytest.fixture
def make_study(
    space: SearchSpace, predictor: Callable[..., Predictor]
) -> Callable[..., SubnetStudy]:
    """`optuna_ofa.study` with predictors by formula and generations of 100, if none are given."""

    def make(over: SearchSpace = space, **arguments: object) -> SubnetStudy:
        arguments.setdefault("accuracy", predictor("top1", over))
        arguments.setdefault("hardware", predictor("latency_ms", over))
        if "sampler" not in arguments:
            arguments["sampler"] = EvolutionarySampler(
                over,
                population_size=100,
                generation_size=Constant(100),
                n_candidates=1000,
                seed=arguments.pop("seed", 0),
            )
        return optuna_ofa.study(over, **arguments)

    return make


@pytest.fixture
def far_accuracy(predictor: Callable[..., Predictor]) -> Callable[..., Predictor]:
    """Make accuracies, in percent, that are extrapolated above a limit."""

    def make(space: SearchSpace, limit: float = 72.0) -> Predictor:
        return FarPredictor(space, predictor("top1", space).predict, limit)

    return make


@pytest.fixture
def far_study(
    predictor: Callable[..., Predictor],
    far_accuracy: Callable[..., Predictor],
    small_space: SearchSpace,
) -> SubnetStudy:
    """A searched study on whose front accuracies above 72 % are extrapolated."""
    study = optuna_ofa.study(
        small_space,
        accuracy=far_accuracy(small_space),
        hardware=predictor("latency_ms", small_space),
        study_name="far",
        seed=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExtrapolationWarning)
        study.search(150)
    return study


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    """Address of a new SQLite database."""
    return f"sqlite:///{tmp_path}/studies.db"


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Return the address of a database server, with Optuna's tables in the database."""
    made: dict[str, str] = {}

    def address(kind: str) -> str:
        variable = DATABASES[kind]
        if variable not in os.environ:
            pytest.skip(f"{variable} is not set; see .ci/start-databases")
        if kind not in made:
            made[kind] = os.environ[variable]
            # in the folder of all processes that run tests: one of them makes the tables
            with open(tmp_path_factory.getbasetemp().parent / f"{kind}.lock", "w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                RDBStorage(made[kind]).remove_session()
        return made[kind]

    return address


@pytest.fixture(params=["sqlite", *DATABASES])
def url(request: pytest.FixtureRequest, sqlite: str, database: Callable[[str], str]) -> str:
    """Address of a database of each kind that can be had."""
    return sqlite if request.param == "sqlite" else database(request.param)


@pytest.fixture(scope="session")
def delete_studies() -> Callable[[str, Sequence[str]], None]:
    """Delete studies by table, not by row as Optuna does, which takes longer than their tests."""
    studies, trials = models.StudyModel.__table__, models.TrialModel.__table__

    def delete(url: str, names: Sequence[str]) -> None:
        # at a higher level MySQL locks more than what is deleted, also what others write
        engine = sa.create_engine(url, isolation_level="READ COMMITTED")
        if not sa.inspect(engine).has_table(studies.name):  # the first test that uses an empty one
            return
        with engine.begin() as connection:
            query = sa.select(studies.c.study_id).where(studies.c.study_name.in_(names))
            ids = list(connection.execute(query).scalars())
            query = sa.select(trials.c.trial_id).where(trials.c.study_id.in_(ids))
            own = list(connection.execute(query).scalars())
            for table in reversed(models.BaseModel.metadata.sorted_tables):
                if "study_id" in table.c:
                    connection.execute(sa.delete(table).where(table.c.study_id.in_(ids)))
                elif "trial_id" in table.c:
                    connection.execute(sa.delete(table).where(table.c.trial_id.in_(own)))
        engine.dispose()

    return delete


@pytest.fixture
def names(
    url: str, delete_studies: Callable[[str, Sequence[str]], None]
) -> Iterator[Callable[[], str]]:
    """Make names of studies in that database, which are deleted afterwards."""
    made: list[str] = []

    def make() -> str:
        made.append(f"test-{uuid4()}")
        return made[-1]

    yield make
    if not url.startswith("sqlite"):  # a file of this test
        delete_studies(url, made)
