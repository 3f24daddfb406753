"""How much of the best known front a search finds, by evaluations and by the clock.

    python benchmarks/fronts.py --data ../shared/data

Every search works on the published accuracy predictor of MobileNetV3 w1.2 and one latency table,
for high top1 and low latency_ms, without constraints. Of each the non-dominated set of all that
it evaluated counts: its hypervolume in percent of the best known front's, which lies in
``reference_fronts/``. A cell has the mean over the seeds, the least and the most, and seconds.

    python benchmarks/fronts.py --data ../shared/data --peers ours --evaluations 500000
    python benchmarks/fronts.py --data ../shared/data --peers ours --improve

The first has long runs of ours alone, the second adds what was seen to the reference fronts.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
import optuna
from _fronts import DEVICES, ReferenceFront, hypervolume
from _head import print_head
from _runs import Run, Task
from _searches import SEARCHES

Cells = dict[int, list[tuple[float, ...]]]


def main() -> None:
    """Print a table for each device and reference point."""
    arguments = _arguments()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    print_head()
    devices = DEVICES if arguments.device == "both" else [arguments.device]
    for device in devices:
        front = ReferenceFront(arguments.data, device)
        rows: dict[str, Cells] = {}
        seen: list[Run] = []
        for name in arguments.peers:
            if name == "finder" and device != "note10":  # its code knows this one table only
                continue
            rows[name] = _measure(name, arguments, device, front, seen)
            print(f"  ({device}: {name} done)", flush=True)
        for i, reference in enumerate(front.device.references):
            _print_table(device, reference, front.hypervolumes[i], i, rows, arguments.evaluations)
        if arguments.improve:
            _improve(front, seen)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder of the published files")
    add("--device", choices=[*DEVICES, "both"], default="both")
    add("--evaluations", type=int, nargs="+", default=[1000, 5000, 20000, 50000])
    add("--seeds", type=int, default=5, help="how many")
    add("--peers", nargs="+", choices=list(SEARCHES), default=list(SEARCHES))
    add("--optuna-evaluations", type=int, default=5000, help="Optuna's own stops there")
    add("--improve", action="store_true", help="add what was seen to the reference fronts")
    arguments = parser.parse_args()
    arguments.evaluations.sort()
    return arguments


def _measure(
    name: str, arguments: argparse.Namespace, device: str, front: ReferenceFront, seen: list[Run]
) -> Cells:
    """Hypervolumes and seconds by number of evaluations, one tuple a seed."""
    budgets = arguments.evaluations
    if name == "optuna":
        budgets = [b for b in budgets if b <= arguments.optuna_evaluations]
    # the finder splits its budget, so that each needs a run of its own
    groups = [[b] for b in budgets] if name == "finder" else [budgets] * bool(budgets)
    cells: Cells = defaultdict(list)
    for seed in range(arguments.seeds):
        for group in groups:
            run = SEARCHES[name](Task(arguments.data, device, group, seed))
            for n in group:
                volumes = [hypervolume(run.values[:n], r) for r in front.device.references]
                cells[n].append((*volumes, run.seconds[n]))
            if arguments.improve:
                seen.append(run)
    return cells


def _print_table(
    device: str,
    reference: tuple[float, float],
    best: float,
    column: int,
    rows: dict[str, Cells],
    budgets: list[int],
) -> None:
    top1, ms = reference
    print(
        f"\n{device}, hypervolume over ({top1:g} %, {ms:g} ms) in % of {best:.2f} points x ms; "
        f"mean (least-most), seconds"
    )
    print("| |" + "|".join(f" {n:,} " for n in budgets) + "|")
    print("|---" * (1 + len(budgets)) + "|")
    for name, cells in rows.items():
        words = (_cell(cells[n], best, column) if n in cells else "-" for n in budgets)
        print(f"| {name} | " + " | ".join(words) + " |", flush=True)


def _cell(results: list[tuple[float, ...]], best: float, column: int) -> str:
    array = np.array(results)
    percent, seconds = 100 * array[:, column] / best, array[:, -1].mean()
    return f"{percent.mean():.2f} ({percent.min():.2f}-{percent.max():.2f}) {seconds:.1f} s"


def _improve(front: ReferenceFront, seen: list[Run]) -> None:
    before = front.hypervolumes
    for run in seen:
        front.merge(run.matrix, run.values)
    rises = [b - a for a, b in zip(before, front.hypervolumes, strict=True)]
    print(f"{front.path.name}: hypervolumes rose by {', '.join(f'{r:.4f}' for r in rises)}")
    if any(rises):
        front.save()


if __name__ == "__main__":
    main()
