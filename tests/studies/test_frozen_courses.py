"""Seeded searches whose trials stay the same, bit for bit, while the code is rebuilt.

``OPENBLAS_CORETYPE=Haswell python tests/studies/test_frozen_courses.py`` writes the file anew,
after a change that is meant to lead a search another way. Floating-point sums differ from one kind
of processor to another, so the file keeps a digest of some, and the test is skipped where they come
out otherwise: also where a plugin imports NumPy before `conftest` can choose kernels of OpenBLAS.
"""

from __future__ import annotations

import hashlib
import json
import platform
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import torch
from numpy.typing import NDArray
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import Trial

import optuna_ofa
from optuna_ofa import SearchSpace, SubnetStudy
from optuna_ofa.predictors import CostPredictor, Predictor

FILE = Path(__file__).with_name("frozen_courses.json")
THREE = ("top1", "latency_ms", "n_params")
BOUNDS = {"latency_ms": 22.0, "n_params": 5e6}
Course = Callable[[Path], list[SubnetStudy]]


class Formula(Predictor):
    """Accuracy of the parameters' logarithm, latency of multiply-adds and large kernels."""

    def __init__(self, metric: str, space: SearchSpace, kernels: float = 0.0) -> None:
        self.metric, self.space, self._kernels = metric, space, kernels
        self._columns = list(space.family.columns("kernel"))
        self._cost = CostPredictor("n_params" if metric == "top1" else "n_macs", space)

    def predict(self, matrix: NDArray[np.int16]) -> NDArray[np.float64]:
        cost = self._cost.predict(matrix)
        of_kernels = self._kernels * (matrix[:, self._columns].astype(float) ** 2).sum(axis=1)
        return (70 + 10 * np.log(cost / 3_410_792) if self.metric == "top1" else cost / 1e7) + (
            of_kernels
        )


def _study(**arguments: Any) -> SubnetStudy:
    space = SearchSpace("ofa_mbv3_w1.0").restrict(resolution=224)
    arguments = {"seed": 3, "study_name": "frozen", **arguments}
    return optuna_ofa.study(
        space, hardware=Formula("latency_ms", space), accuracy=Formula("top1", space), **arguments
    )


def _searched(n: int, **arguments: Any) -> Course:
    def course(folder: Path) -> list[SubnetStudy]:
        study = _study(**arguments)
        study.search(n)
        return [study]

    return course


def _sqlite(course: Callable[..., list[SubnetStudy]], **arguments: Any) -> Course:
    return lambda folder: course(f"sqlite:///{folder}/frozen.db", **arguments)


def _parts(storage: Any, **arguments: Any) -> list[SubnetStudy]:
    """Searched, asked and told by one process after another."""
    for n in (130, 70, 160):
        study = _study(storage=storage, load_if_exists=True, **arguments)
        study.search(n)
        asked = study.ask_batch(6)
        values = [_measured(study, one.subnet) for one in asked]
        study.tell_batch(asked, [None, *values[1:]])
    return [study]


def _measured(study: SubnetStudy, subnet: optuna_ofa.Subnet) -> list[float]:
    matrix = study.space.to_matrix([subnet])
    values = study.problem.evaluate(matrix).values[0]
    return [float(v) for v in values * [0.98, *[1.1] * (len(values) - 1)]]


def _optimized(n: int, **arguments: Any) -> Course:
    def course(folder: Path) -> list[SubnetStudy]:
        study = _study(**arguments)

        def objective(trial: Trial) -> tuple[float, ...]:
            return tuple(_measured(study, study.space.suggest(trial)))

        study.optimize(objective, n_trials=n)
        return [study]

    return course


def _learned(storage: Any = None, **arguments: Any) -> list[SubnetStudy]:
    study = _study(storage=storage, learn=True, **arguments)
    study.search(100)
    for _ in range(3):
        asked = study.ask_batch(8)
        study.tell_batch(asked, [_measured(study, one.subnet) for one in asked])
    return [study]


def _fleet(storage: Any = None, **arguments: Any) -> list[SubnetStudy]:
    space = SearchSpace("ofa_mbv3_w1.0").restrict(resolution=224)
    hardware = {k: Formula("latency_ms", space, s) for k, s in (("a", 0.001), ("b", 0.02))}
    fleet = optuna_ofa.fleet(
        space,
        hardware=hardware,
        accuracy=Formula("top1", space, 1e-4),
        seed=2,
        study_name="frozen",
        storage=storage,
        **arguments,
    )
    fleet.search(200)
    return list(fleet.values())


def _packaged(folder: Path) -> list[SubnetStudy]:
    study = optuna_ofa.study("ofa_mbv3_w1.0", seed=1, study_name="frozen")
    study.search(600)
    return [study]


def _journal(folder: Path) -> list[SubnetStudy]:
    return _parts(JournalStorage(JournalFileBackend(str(folder / "log"))))


COURSES: dict[str, Course] = {
    "memory": _searched(1500),
    "packaged": _packaged,
    "constraints": _searched(400, constraints=BOUNDS),
    "three-objectives": _searched(400, objectives=THREE),
    "keep-front": _searched(400, keep="front"),
    "keep-sample": _searched(400, keep="sample", constraints=BOUNDS),
    "sqlite": _sqlite(_parts),
    "sqlite-constraints": _sqlite(_parts, constraints=BOUNDS),
    "sqlite-front": _sqlite(_parts, keep="front"),
    "journal": _journal,
    "optimize": _optimized(120),
    "learned": lambda folder: _learned(),
    "learned-sqlite-constraints": _sqlite(_learned, constraints=BOUNDS),
    "learned-three": lambda folder: _learned(objectives=THREE),
    "learned-optimize": _optimized(30, learn=True),
    "fleet": lambda folder: _fleet(),
    "fleet-sqlite": _sqlite(_fleet, constraints={"latency_ms": {"a": 30}}),
}


def _lines(study: SubnetStudy, optimized: bool) -> Iterable[str]:
    for trial in study.trials:
        attributes = dict(sorted(trial.user_attrs.items()))
        attributes.pop("subnet_text", None)  # added since the courses were written
        if optimized and attributes.get("kind") == "measured":
            # trials of `optimize` had neither when the courses were written
            attributes = {k: v for k, v in attributes.items() if k not in ("kind", "subnet")}
        yield json.dumps([trial.state.name, trial.params, trial.values, attributes])


def _figures(name: str, studies: Iterable[SubnetStudy]) -> list[dict[str, Any]]:
    figures = []
    for study in studies:
        digest, n = hashlib.sha256(), 0
        for line in _lines(study, optimized="optimize" in name):
            digest.update(line.encode())
            n += 1
        figures.append({"n_trials": n, "sha256": digest.hexdigest()})
    return figures


def _processor() -> dict[str, str]:
    return {
        "machine": platform.machine(),
        "torch": torch.backends.cpu.get_cpu_capability(),
        "numpy": ",".join(sorted(np.show_config("dicts")["SIMD Extensions"]["found"])),
        "rounding": _rounding(),
    }


def _rounding() -> str:
    """Digest of functions, sums and decompositions as NumPy and torch compute them here."""
    digest = hashlib.sha256()
    for n in (3, 20, 150, 400):
        a = np.random.default_rng(n).uniform(0.1, 1, (n, n))
        digest.update(np.exp(a).tobytes() + np.log(a).tobytes() + a.sum(axis=0).tobytes())
        digest.update((a[:8, :150] @ a[:150, :150]).tobytes())  # on one thread of OpenBLAS
        t = torch.from_numpy(a + a.T + n * np.eye(n))
        for made in (t @ t, t.float() @ t.float(), torch.linalg.cholesky(t), t.exp().sum(1)):
            digest.update(made.numpy().tobytes())
        digest.update(torch.linalg.solve(t, torch.ones_like(t)).numpy().tobytes())
    return digest.hexdigest()


@pytest.fixture(autouse=True)
def _quiet(one_thread: None, quiet_optuna: None) -> None:
    """One thread, and Optuna reports warnings alone."""


@pytest.mark.parametrize("name", COURSES)
def test_the_course_is_as_it_was(name: str, tmp_path: Path) -> None:
    frozen = json.loads(FILE.read_text())
    if frozen["processor"] != _processor():
        pytest.skip(f"written on {frozen['processor']}, and this is {_processor()}")
    assert _figures(name, COURSES[name](tmp_path)) == frozen["courses"][name]


def _write() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    torch.set_num_threads(1)
    courses = {}
    for name, course in COURSES.items():
        with tempfile.TemporaryDirectory() as folder:
            courses[name] = _figures(name, course(Path(folder)))
        sys.stderr.write(f"{name}\n")
    text = json.dumps({"processor": _processor(), "courses": courses}, indent=1)
    FILE.write_text(f"{text}\n")


if __name__ == "__main__":
    _write()
