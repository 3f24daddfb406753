"""Kill workers of three libraries that fill one SQLite study, and compare what four readers see.

Workers of this package search, workers of Optuna and of Rustuna run an objective of their own. One
after another is killed (SIGKILL) at a random moment and replaced:

    python benchmarks/attacks/workers.py --kills 50

Each trial that a worker has said to have finished must be there, and this package, Optuna, Rustuna
and the API of Optuna Dashboard must read the same trials, constraints and front. The front of the
last two is computed from what they read: their own best trials may violate constraints. It prints a
table, and ends with 1 if something is lost or differs.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import optuna
import optuna_dashboard
import rustuna
from numpy.typing import NDArray
from optuna.trial import TrialState
from rustuna.storages import SQLite3Storage

import optuna_ofa
from optuna_ofa import Metric
from optuna_ofa.fronts import nondominated
from optuna_ofa.space import Matrix

NAME, BOUND = "attacked", 3e8
KINDS = ("optuna_ofa", "optuna", "rustuna")
PATIENCE_S = 300


def total(matrix: Matrix) -> NDArray[np.float64]:
    """A metric that conflicts with multiply-adds, so that the front has many points."""
    return matrix.sum(axis=1).astype(float)


def open_study(path: Path, seed: int | None = None) -> optuna_ofa.SubnetStudy:
    """Create or open the study."""
    return optuna_ofa.study(
        "ofa_mbv3_w1.0",
        objectives=["n_macs", Metric("total", unit="", direction="maximize", predictor=total)],
        constraints={"n_macs": BOUND},
        storage=f"sqlite:///{path}",
        study_name=NAME,
        load_if_exists=True,
        seed=seed,
    )


# ---------------------------------------------------------------------- workers


def work(kind: str, path: Path, seed: int) -> None:
    """Fill the study for ever, and print the number of each finished trial."""
    study = open_study(path, seed)
    known = 0
    while True:
        if kind == "optuna_ofa":
            study.search(20)
            found = study.engine.known().numbers.tolist()
            say(found[known:])
            known = len(found)
        elif kind == "optuna":
            sampler = optuna.samplers.RandomSampler(seed=seed + known)
            storage = optuna.storages.RDBStorage(
                f"sqlite:///{path}", engine_kwargs={"connect_args": {"timeout": PATIENCE_S}}
            )  # Optuna gives up after 5 seconds of a lock otherwise
            plain = optuna.load_study(study_name=NAME, storage=storage, sampler=sampler)
            objective = partial(run_optuna, study)
            plain.optimize(objective, n_trials=5, callbacks=[lambda _, t: say([t.number])])
            known += 5
        else:
            run_rustuna(study, path)


def run_optuna(study: optuna_ofa.SubnetStudy, trial: optuna.Trial) -> tuple[float, ...]:
    """An objective that also writes the list of constraints, which the dashboard reads."""
    values = study.problem(trial)
    listed = [max(0.0, trial.constraints["n_macs"])]
    trial.storage.set_trial_system_attr(trial._trial_id, "constraints", listed)
    return values


def run_rustuna(study: optuna_ofa.SubnetStudy, path: Path) -> None:
    """Run five trials with Rustuna."""
    other = rustuna.load_study(study_name=NAME, storage=SQLite3Storage(str(path)))
    for _ in range(5):
        trial = other.ask()
        heads = study.space.distributions.items()
        params = {name: trial.suggest_categorical(name, list(of.choices)) for name, of in heads}
        found = study.problem.evaluate(study.space.from_params([params]))
        # `Trial.set_constraint` of Rustuna 0.2 writes text, which Optuna cannot compare
        excess = float(found.excess[0, 0])
        attributes = {"constraints:n_macs": excess, "constraints": [max(0.0, excess)]}
        trial.storage.set_trial_system_attrs(trial._trial_id, attributes)
        other.tell(trial.number, values=[float(x) for x in found.values[0]])
        say([trial.number])


def say(numbers: list[int]) -> None:
    """Tell the parent which trials are finished."""
    print(*numbers, sep="\n", end="\n" * bool(numbers), flush=True)


class Worker:
    """A process that fills the study, and the trials that it has said to have finished."""

    def __init__(self, kind: str, path: Path, seed: int) -> None:
        command = [sys.executable, __file__, "--work", kind, str(path), str(seed)]
        self.kind = kind
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.finished: set[int] = set()
        self.listener = threading.Thread(target=self._listen, daemon=True)
        self.listener.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.endswith("\n"):
                self.finished.add(int(line))

    def kill(self) -> None:
        """End it at once."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.listener.join()


def attack(path: Path, n_kills: int, seed: int) -> dict[str, tuple[int, set[int]]]:
    """Kill workers; returns how many of each kind were killed, and what all of them finished."""
    rng = random.Random(seed)
    open_study(path)
    done: dict[str, tuple[int, set[int]]] = {kind: (0, set()) for kind in KINDS}
    workers = [Worker(kind, path, i) for i, kind in enumerate(KINDS)]
    try:
        for i in range(n_kills):
            worker = workers.pop(0)
            wait_for(worker)
            time.sleep(rng.uniform(0, 0.3))
            worker.kill()
            n, finished = done[worker.kind]
            done[worker.kind] = n + 1, finished | worker.finished
            workers.append(Worker(worker.kind, path, len(KINDS) + i))
    finally:
        for worker in workers:
            worker.kill()
            n, finished = done[worker.kind]
            done[worker.kind] = n, finished | worker.finished
    return done


def wait_for(worker: Worker) -> None:
    """Wait until a worker has finished something, which it may be losing."""
    end = time.monotonic() + PATIENCE_S
    while not worker.finished:
        assert worker.process.poll() is None, f"a worker of {worker.kind} ended by itself"
        assert time.monotonic() < end, f"a worker of {worker.kind} does not go on"
        time.sleep(0.02)


# ---------------------------------------------------------------------- readers


Rows = set[tuple[float, ...]]


class Seen(NamedTuple):
    """What a reader sees of the complete trials: values and constraint by number, and the front."""

    values: dict[int, tuple[float, ...]]
    excess: dict[int, float]
    front: Rows


def feasible_front(values: dict[int, tuple[float, ...]], excess: dict[int, float]) -> Rows:
    """Return the values of the feasible trials that no other one dominates."""
    rows = [row for number, row in values.items() if excess[number] <= 0]
    costs = np.array(rows).reshape(-1, 2) * (1, -1)
    return {rows[i] for i in np.flatnonzero(nondominated(costs))}


def readers(path: Path) -> Iterator[tuple[str, Seen]]:
    """Yield what each reader sees."""
    study = open_study(path)
    found = study.engine.results()  # of both kinds
    numbers = found.numbers.tolist()
    values = {n: tuple(row) for n, row in zip(numbers, found.values.tolist(), strict=True)}
    excess = dict(zip(numbers, found.excess[:, 0].tolist(), strict=True))
    yield "optuna_ofa", Seen(values, excess, feasible_front(values, excess))

    plain = optuna.load_study(study_name=NAME, storage=f"sqlite:///{path}")
    trials = plain.get_trials(states=[TrialState.COMPLETE])
    yield (
        "optuna",
        Seen(
            {t.number: tuple(t.values) for t in trials},
            {t.number: t.constraints["n_macs"] for t in trials},
            {tuple(t.values) for t in plain.best_trials},
        ),
    )

    other = rustuna.load_study(study_name=NAME, storage=SQLite3Storage(str(path)))
    complete = [t for t in other.trials if t.state == rustuna.trial.TrialState.COMPLETE]
    values = {t.number: tuple(t.values or ()) for t in complete}
    excess = {t.number: t.constraints["n_macs"] for t in complete}
    yield "rustuna", Seen(values, excess, feasible_front(values, excess))
    yield "dashboard", dashboard(path, study._study_id)


def dashboard(path: Path, study_id: int) -> Seen:
    """Return what the API of Optuna Dashboard answers."""
    app = optuna_dashboard.wsgi(f"sqlite:///{path}")
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": f"/api/studies/{study_id}",
        "QUERY_STRING": "after=0",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.url_scheme": "http",
    }
    answer = json.loads(b"".join(app(environ, lambda *_: None)))
    trials = [t for t in answer["trials"] if t["state"] == "Complete"]
    values = {t["number"]: tuple(map(float, t["values"])) for t in trials}
    excess = {t["number"]: float(t["constraints"][0]) for t in trials}
    return Seen(values, excess, feasible_front(values, excess))


def main() -> int:
    """Attack, compare, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if arguments.work:
        kind, path, seed = arguments.work
        work(kind, Path(path), int(seed))
    with tempfile.TemporaryDirectory() as folder:
        return report(Path(folder) / "study.db", arguments.kills, arguments.seed)


def report(path: Path, n_kills: int, seed: int) -> int:
    """Attack a new study, print the table, and return whether something was wrong."""
    done = attack(path, n_kills, seed)
    seen = dict(readers(path))
    values = seen["optuna_ofa"].values
    print("| workers of | killed | trials finished | lost |\n|---|---|---|---|")
    n_lost = 0
    for kind, (n, finished) in done.items():
        lost = len(finished - values.keys())
        n_lost += lost
        print(f"| {kind} | {n} | {len(finished)} | {lost} |")
    print("\n| reader | trials | on the front | differs |\n|---|---|---|---|")
    differing = [kind for kind in seen if differs(seen[kind], seen["optuna_ofa"])]
    for kind, of in seen.items():
        print(f"| {kind} | {len(of.values)} | {len(of.front)} | {'yes' * (kind in differing)} |")
    return int(bool(n_lost or differing))


def differs(one: Seen, other: Seen) -> bool:
    """Return whether two readers see different trials, constraints or fronts."""
    violated = [{n for n, x in of.excess.items() if x > 0} for of in (one, other)]
    return one.values != other.values or violated[0] != violated[1] or one.front != other.front


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
