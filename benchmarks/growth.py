"""Whether a study of 300,000 trials in one SQLite file costs more a trial than a small one.

    python benchmarks/growth.py --data ../shared/data

`study.search` adds 10,000 trials at a time to one study, in one process: seconds and growth of
the resident memory of each step, and the ratio of the last to the first. Then new processes open
that study and write one more generation, beside the same with an empty study; the difference is
what the size costs. Last, seconds of the processor to open it, for its front, for all results and
to continue the search, beside Optuna listing the trials of a study of `--optuna-trials`.
Needs Linux, whose /proc tells the memory.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import optuna
from _fronts import study
from _head import print_head
from _sizes import bytes_by_table

DEVICE = "note10"
GENERATION = 100
N_REPEATS = 3


def main() -> None:
    """Fill, then reopen; or be the process that reopens."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the published files")
    parser.add_argument("--trials", type=int, default=300_000)
    parser.add_argument("--step", type=int, default=10_000)
    parser.add_argument("--optuna-trials", type=int, default=2_000, help="that Optuna lists")
    parser.add_argument("--reopen", metavar="URL", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if arguments.reopen:
        _continue(arguments.data, arguments.reopen)
        return
    print_head()
    with tempfile.TemporaryDirectory() as folder:
        full, empty = f"sqlite:///{folder}/full.db", f"sqlite:///{folder}/empty.db"
        _fill(arguments.data, full, arguments.trials, arguments.step)
        sizes = bytes_by_table(full, Path())
        total = sum(sizes.values()) / arguments.trials
        parts = ", ".join(f"{t} {size / arguments.trials:,.0f}" for t, size in sizes.items())
        print(f"SQLite file: {total:,.0f} bytes a trial ({parts})")
        _reopen(arguments.data, full, empty, arguments.trials)
        small = f"sqlite:///{folder}/small.db"
        study(arguments.data, DEVICE, storage=small, study_name="growth", seed=0).search(
            arguments.optuna_trials, progress=False
        )
        _read(arguments.data, full, small, arguments.trials, arguments.optuna_trials)


def _fill(data: Path, url: str, n_trials: int, step: int) -> None:
    study(data, DEVICE, seed=0).search(step, progress=False)  # what is loaded once
    growing = study(data, DEVICE, storage=url, study_name="growth", seed=0)
    steps = []
    print("| trials | s | trials/s | bytes of memory a trial |")
    print("|---" * 4 + "|")
    for done in range(step, n_trials + 1, step):
        before, start = _resident_bytes(), time.perf_counter()
        growing.search(step, progress=False)
        seconds = time.perf_counter() - start
        grown = (_resident_bytes() - before) / step
        steps.append((seconds, grown))
        print(f"| {done:,} | {seconds:.2f} | {step / seconds:,.0f} | {grown:,.0f} |", flush=True)
    (first, first_bytes), (last, last_bytes) = steps[0], steps[-1]
    print(
        f"last to first {step:,}: {last / first:.2f} times the time, "
        f"{last_bytes:,.0f} to {first_bytes:,.0f} bytes a trial; "
        f"{sum(s for s, _ in steps):.0f} s in all"
    )


def _resident_bytes() -> int:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _reopen(data: Path, full: str, empty: str, n_trials: int) -> None:
    """Seconds of whole processes, interleaved, medians."""
    study(data, DEVICE, storage=empty, study_name="growth")
    seconds: dict[str, list[float]] = {full: [], empty: []}
    for _ in range(N_REPEATS):
        for url, found in seconds.items():
            command = [sys.executable, __file__, "--data", str(data), "--reopen", url]
            start = time.perf_counter()
            subprocess.run(command, check=True)
            found.append(time.perf_counter() - start)
            if url == empty:  # as it was
                optuna.delete_study(study_name="growth", storage=empty)
                study(data, DEVICE, storage=empty, study_name="growth")
    large, small = (statistics.median(found) for found in seconds.values())
    print(
        f"a new process that writes one more generation: {large:.2f} s on {n_trials:,} trials, "
        f"{small:.2f} s on none, difference {large - small:.2f} s"
    )


def _read(data: Path, full: str, small: str, n_trials: int, n_optuna: int) -> None:
    """CPU seconds of what reads the trials, once the tables of predictors are loaded."""
    seconds: dict[str, float] = {}
    opened = [study(data, DEVICE, storage=small, study_name="growth", load_if_exists=True)]
    reading: dict[str, Callable[[], object]] = {
        "open": lambda: opened.append(
            study(data, DEVICE, storage=full, study_name="growth", load_if_exists=True)
        ),
        "front": lambda: opened[-1].front(),
        "results": lambda: opened[-1].results(),
        "search of 1": lambda: opened[-1].search(1, progress=False),
    }
    for name, read in reading.items():
        seconds[name] = _cpu_seconds(read)
    peer = _cpu_seconds(lambda: optuna.load_study(storage=small, study_name="growth").trials)
    ours = sum(seconds.values())
    parts = ", ".join(f"{name} {s:.2f}" for name, s in seconds.items())
    print(
        f"CPU seconds of {n_trials:,} trials: {ours:.2f} ({parts}); Optuna lists {n_optuna:,} in "
        f"{peer:.2f}: {peer / n_optuna * n_trials / ours:,.0f} times as many a trial"
    )


def _cpu_seconds(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def _continue(data: Path, url: str) -> None:
    continued = study(data, DEVICE, storage=url, study_name="growth", load_if_exists=True)
    continued.search(GENERATION, progress=False)


if __name__ == "__main__":
    main()
