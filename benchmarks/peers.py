"""Networks that were trained one by one: how many measurements find their front.

    python benchmarks/peers.py --data ../shared/data

Reads published tables, in which each network was trained alone: NAS-Bench-Macro (all 6,561 networks
of its space, top1 and FLOPs), and Accel-NASBench (about 4,000, top1 and one of three devices). A
search may only measure what is listed; a proposal that is not listed or was measured before becomes
the nearest network that is listed and was not (fewest different parameters), and the search is told
of that one. All searches run with their default settings. A cell has the number of measurements
until so many percent of the hypervolume of the whole table are found. The hypervolume begins a
tenth of the range beyond the worst value of each quantity; FLOPs, latency and throughput are taken
as logarithms, or with ``--raw`` as they are.

Finished runs are in ``benchmarks/peers.json``. ``--out`` names another file, a run that is in it is
not repeated, and without ``--data`` the table is printed of what there is.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from _head import print_head
from _listed import PROBLEMS
from _listed_runs import GOALS, EnoughError, Tape, reached
from _listed_searches import SEARCHES

OUT = Path(__file__).resolve().parent / "peers.json"
N_SEEDS = 20

Results = dict[str, dict[str, Any]]


def main() -> None:
    """Run what is missing, and print a table for each problem."""
    arguments = _arguments()
    print_head()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    results: Results = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
    if arguments.data is not None:
        for seed in range(arguments.seeds):
            for problem in arguments.problems:
                for search in arguments.searches:
                    _run(problem, search, seed, arguments, results)
    for problem in arguments.problems:
        _print_table(problem, arguments, results)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", type=Path, help="folder of the published files")
    add("--out", type=Path, default=OUT, help="JSON file of finished runs")
    add("--problems", nargs="+", choices=list(PROBLEMS), default=list(PROBLEMS))
    add("--searches", nargs="+", choices=list(SEARCHES), default=list(SEARCHES))
    add("--seeds", type=int, default=N_SEEDS, help="how many, for those that are not slow")
    add("--raw", action="store_true", help="no logarithms")
    return parser.parse_args()


def _run(
    problem: str, name: str, seed: int, arguments: argparse.Namespace, results: Results
) -> None:
    """Run one search, unless it is there, and save it."""
    key, search = f"{problem} {name} {seed}", SEARCHES[name]
    if key in results or seed >= search.n_seeds:
        return
    tape = Tape(PROBLEMS[problem](arguments.data), search.n_most, seed)
    start = time.process_time()
    with contextlib.suppress(EnoughError):
        search.run(tape, seed)
    seconds = time.process_time() - start
    found = {scale: reached(tape.shares(scale)) for scale in ("log", "raw")}
    share = round(float(tape.shares("log")[-1]), 2)
    run = {**found, "n": len(tape.places), "share": share, "cpu_s": round(seconds, 2)}
    print(f"  ({key}: {run})", flush=True)
    _save(key, run, arguments.out, results)


def _save(key: str, run: dict[str, Any], out: Path, results: Results) -> None:
    """Add a run to the file, to which another process may have added some."""
    if out.exists():
        results.update(json.loads(out.read_text()))
    results[key] = run
    out.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"{json.dumps(k)}: {json.dumps(v)}" for k, v in sorted(results.items())]
    partial = out.with_suffix(f".partial{os.getpid()}")
    partial.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    os.replace(partial, out)


def _print_table(problem: str, arguments: argparse.Namespace, results: Results) -> None:
    goals = [f"{goal} %: median | least-most" for goal in GOALS[1:]]
    print(f"\n{problem}{', no logarithms' if arguments.raw else ''}")
    print(f"| | seeds | {' | '.join(goals)} | CPU ms each |")
    print("|---" * (3 + 2 * len(goals)) + "|")
    for name in arguments.searches:
        runs = [r for k, r in results.items() if k.startswith(f"{problem} {name} ")]
        if runs:
            print(_line(name, runs, "raw" if arguments.raw else "log"))


def _line(name: str, runs: list[dict[str, Any]], scale: str) -> str:
    most = SEARCHES[name].n_most
    cells = [_cell([run[scale][i] for run in runs], most) for i in range(1, len(GOALS))]
    each = 1000 * np.median([run["cpu_s"] / run["n"] for run in runs])
    return f"| {name} | {len(runs)} | {' | '.join(cells)} | {each:.1f} |"


def _cell(counts: list[int | None], most: int) -> str:
    """Return the median, the least and the most of numbers of measurements."""
    numbers = [np.inf if n is None else n for n in counts]
    median, least, worst = np.median(numbers), min(numbers), max(numbers)
    words = [f"{n:.0f}" if np.isfinite(n) else f">{most:,}" for n in (median, least, worst)]
    return f"{words[0]} | {words[1]}-{words[2]}"


if __name__ == "__main__":
    main()
