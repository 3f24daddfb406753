"""Trials a second into each storage, the time to read them, and bytes, beside Optuna's own.

    python benchmarks/storage.py --data ../shared/data

Writing: NSGA-II as published (`NSGAIISampler`) and the default search, which also estimates
ten thousand children a generation, beside `optuna.Study.optimize` with Optuna's NSGA-II, on the
same problem (published accuracy predictor of MobileNetV3 w1.2, Note10) and storage, every trial
kept. Optuna's cost a trial grows with their number, so that few of them favour it. Reading:
opening the study of our NSGA-II anew and its front, beside Optuna opening the same study and
listing its trials. Bytes: of the trials of a search, and of the same trials added by Optuna.

PostgreSQL and MariaDB are those of the URLs in OPTUNA_OFA_TEST_POSTGRESQL and
OPTUNA_OFA_TEST_MYSQL, where a database of its own is made and dropped.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
from _fronts import study
from _head import print_head
from _sizes import bytes_by_table
from _storages import SERVERS, Opener, openers

from optuna_ofa.samplers import NSGAIISampler

DEVICE = "note10"


def main() -> None:
    """Print a line for each storage."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the published files")
    parser.add_argument("--trials", type=int, default=10_000, help="of our NSGA-II")
    parser.add_argument("--search-trials", type=int, default=50_000, help="of the default search")
    parser.add_argument("--optuna-trials", type=int, default=100)
    parser.add_argument("--size-trials", type=int, default=10_000, help="whose bytes are counted")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    print_head()
    study(arguments.data, DEVICE, seed=0).search(1000, progress=False)  # warms everything up
    print(
        f"{arguments.trials:,} trials of our NSGA-II, {arguments.search_trials:,} of the default "
        f"search, {arguments.optuna_trials:,} of Optuna's NSGA-II"
    )
    print(
        "| | NSGA-II, trials/s | default search, trials/s | Optuna, trials/s | ratios "
        "| ours opens and finds the front, s | Optuna opens and lists, s | ratio |"
    )
    print("|---" * 8 + "|")
    with _storages() as found:
        for name, (opener, _) in found.items():
            if opener is None:
                print(f"| {name} | skipped: {SERVERS[name]} is not set |")
                continue
            print(f"| {name} | {_line(opener, arguments)} |", flush=True)
    _print_sizes(arguments.data, arguments.size_trials, arguments.optuna_trials)


@contextlib.contextmanager
def _storages() -> Iterator[dict[str, tuple[Opener | None, Path]]]:
    """Empty storages, with the file of the journal."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        found = openers(folder, stack)
        yield {name: (opener, folder / "study.log") for name, opener in found.items()}


def _print_sizes(data: Path, n: int, n_peer: int) -> None:
    print(f"\nbytes a trial: {n:,} trials of a search, and {n_peer:,} of them added by Optuna")
    with _storages() as ours, _storages() as theirs:
        for name, (opener, journal) in ours.items():
            storage = opener and opener()
            if storage is None:
                continue
            searched = study(data, DEVICE, storage=storage, study_name="a", seed=0)
            before = bytes_by_table(storage, journal)
            searched.search(n, progress=False)
            sizes = _grown(before, bytes_by_table(storage, journal), n)
            other, journal = theirs[name]
            peer = optuna.create_study(storage=other(), directions=searched.problem.directions)
            before = bytes_by_table(other(), journal)
            peer.add_trials(searched.get_trials(deepcopy=False)[:n_peer])
            whole = sum(_grown(before, bytes_by_table(other(), journal), n_peer).values())
            total = sum(sizes.values())
            parts = ", ".join(f"{table} {size:,.0f}" for table, size in sizes.items())
            print(f"{name}: {total:,.0f}, {total / whole:.2f} of Optuna's ({parts})", flush=True)


def _grown(before: dict[str, int], after: dict[str, int], n: int) -> dict[str, float]:
    return {table: (size - before[table]) / n for table, size in after.items()}


def _line(opener: Opener, arguments: argparse.Namespace) -> str:
    data, n_ours = arguments.data, arguments.trials
    peer = _peer_rate(opener, data, arguments.optuna_trials)
    sampler = NSGAIISampler(study(data, DEVICE).space, seed=0)
    ours = _our_rate(opener, data, n_ours, study_name="ours", sampler=sampler)
    full = _our_rate(opener, data, arguments.search_trials, study_name="search", seed=0)
    words = f"{ours:,.0f} | {full:,.0f} | {peer:,.1f} | {ours / peer:,.0f}, {full / peer:,.0f}"
    if opener() is None:  # nothing is left to be read
        return f"{words} | - | - | -"
    front, trials = _reading(opener, data, n_ours)
    return f"{words} | {front:.2f} | {trials:.2f} | {trials / front:,.0f}"


def _our_rate(opener: Opener, data: Path, n: int, **options: object) -> float:
    ours = study(data, DEVICE, storage=opener(), **options)
    return n / _seconds(lambda: ours.search(n, progress=False))


def _peer_rate(opener: Opener, data: Path, n: int) -> float:
    problem = study(data, DEVICE).problem
    peer = optuna.create_study(
        storage=opener(),
        study_name="peer",
        directions=problem.directions,
        sampler=optuna.samplers.NSGAIISampler(population_size=50, seed=0),
    )
    return n / _seconds(lambda: peer.optimize(problem, n_trials=n))


def _reading(opener: Opener, data: Path, n: int) -> tuple[float, float]:
    def front() -> None:
        ours = study(data, DEVICE, storage=opener(), study_name="ours", load_if_exists=True)
        if len(ours.front()) == 0:
            raise RuntimeError("The front must not be empty.")

    def trials() -> None:
        storage = optuna.storages.get_storage(opener())
        found = optuna.load_study(storage=storage, study_name="ours").trials
        if len(found) != n:
            raise RuntimeError(f"The study must have {n} trials, but has {len(found)}.")

    return _seconds(front), _seconds(trials)


def _seconds(run: Callable[[], None]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
