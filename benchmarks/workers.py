"""What further workers on one study give: CPU seconds, wall time and the front that is found.

    python benchmarks/workers.py --data ../shared/data

The default search of a study (published accuracy predictor of MobileNetV3 w1.2, Note10), with the
same number of trials in all by one process and by several. Each opens the study, warms up, waits
for the others, and searches for its part of the trials. The speed-up in CPU seconds is those of
the single worker divided by those of the worker that needed the most; that in wall time shows less
where there are fewer idle cores than workers, and where other programs run. Hypervolumes are of
the whole study, in percent of the best that is known, with the wide reference point.

PostgreSQL and MariaDB are those of the URLs in OPTUNA_OFA_TEST_POSTGRESQL and
OPTUNA_OFA_TEST_MYSQL, where a database of its own is made and dropped.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import optuna
from _fronts import DEVICES, ReferenceFront, hypervolume, study
from _head import print_head, spent
from _storages import SERVERS, openers

from optuna_ofa import SubnetStudy

DEVICE = "note10"
STORAGES = ("SQLite file", *SERVERS)


class Work(NamedTuple):
    """What one worker did.

    Args:
        cpu: CPU seconds of its search.
        wall: Seconds that the search took.
    """

    cpu: float
    wall: float


class Course(NamedTuple):
    """A study that was searched by several workers.

    Args:
        works: What each worker did.
        percent: The hypervolume of all, in percent of the best that is known.
    """

    works: list[Work]
    percent: float

    @property
    def cpu(self) -> float:
        """CPU seconds of the worker that needed the most."""
        return max(work.cpu for work in self.works)

    @property
    def wall(self) -> float:
        """Seconds until the last worker ended."""
        return max(work.wall for work in self.works)


def open_study(arguments: argparse.Namespace, url: str, name: str) -> SubnetStudy:
    """The shared study, as each worker opens it."""
    return study(
        arguments.data,
        DEVICE,
        storage=url,
        study_name=name,
        load_if_exists=True,
        seed=arguments.seed,
    )


def work(arguments: argparse.Namespace) -> None:
    """Search for a part of the trials once a line comes in, and print what it took."""
    study(arguments.data, DEVICE, seed=99).search(200, progress=False)  # warms everything up
    mine = open_study(arguments, arguments.url, arguments.name)
    print("ready", flush=True)
    sys.stdin.readline()
    with spent() as seconds:
        mine.search(arguments.trials // arguments.workers[0], progress=False)
    print(json.dumps([seconds.cpu, seconds.wall]), flush=True)


def run(arguments: argparse.Namespace, url: str, n_workers: int, seed: int) -> Course:
    """Let workers search a new study, and check that nothing is missing and nothing doubled."""
    name = f"{n_workers}-{seed}"
    arguments = argparse.Namespace(**{**vars(arguments), "seed": seed})
    open_study(arguments, url, name)
    command = [sys.executable, __file__, "--data", str(arguments.data), "--url", url]
    command += ["--name", name, "--trials", str(arguments.trials), "--workers", str(n_workers)]
    command += ["--seed", str(seed)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, **pipes) for _ in range(n_workers)]  # type: ignore[call-overload]
    for process in processes:
        process.stdout.readline()
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    works = [Work(*json.loads(process.communicate()[0])) for process in processes]
    found = open_study(arguments, url, name).engine.results()
    n, n_different = len(found.matrix), len({row.tobytes() for row in found.matrix})
    assert n == n_different == arguments.trials // n_workers * n_workers, (n, n_different)
    reference = DEVICES[DEVICE].references[0]
    best = ReferenceFront(arguments.data, DEVICE).hypervolumes[0]
    return Course(works, 100 * hypervolume(found.values, reference) / best)


def line(storage: str, courses: list[Course], single: list[Course]) -> str:
    """A row of the table: medians over the seeds."""
    cpu = [course.cpu for course in courses]
    wall = [course.wall for course in courses]
    percent = [course.percent for course in courses]
    cpu_ratio = [one.cpu / course.cpu for one, course in zip(single, courses, strict=True)]
    wall_ratio = [one.wall / course.wall for one, course in zip(single, courses, strict=True)]
    cells = [
        storage,
        str(len(courses[0].works)),
        f"{statistics.median(cpu):.2f}",
        f"{statistics.median(cpu_ratio):.2f} ({min(cpu_ratio):.2f} to {max(cpu_ratio):.2f})",
        f"{statistics.median(wall):.1f}",
        f"{statistics.median(wall_ratio):.2f}",
        f"{statistics.mean(percent):.2f} (worst {min(percent):.2f})",
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print a line for each storage and number of workers."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the published files")
    parser.add_argument("--trials", type=int, default=20_000, help="in all")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--storages", nargs="+", choices=STORAGES, default=STORAGES)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--name", help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if arguments.url:
        work(arguments)
        return
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    print_head()
    print(f"{arguments.trials:,} trials in all, seeds 0 to {arguments.seeds - 1}\n")
    print(
        "| storage | workers | CPU s, most loaded worker | times one worker "
        "| wall s | times one worker | % of the best hypervolume |"
    )
    print("|---" * 7 + "|")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        found = openers(folder, stack)
        for name in arguments.storages:
            opener = found[name]
            if opener is None:
                print(f"| {name} | skipped: {SERVERS[name]} is not set |")
                continue
            single: list[Course] = []
            for n in arguments.workers:
                seeds = range(arguments.seeds)
                courses = [run(arguments, str(opener()), n, seed) for seed in seeds]
                single = single or courses
                print(line(name, courses, single), flush=True)


if __name__ == "__main__":
    main()
