"""How long Optuna Dashboard takes to open a large study, and what its constraints cost to write.

    python benchmarks/dashboard.py --evaluations 20000

Opening: a study of so many evaluations is searched into an SQLite file once for each ``keep``,
once with ``parameters="front"`` ("lean"), and published, by `publish_view` too; `optuna-dashboard`
serves it in a process of its own, and Chromium opens the page of the study. The time is from asking
for the page until its Pareto plot has points on the screen, by a server that has just started;
beside it are the processor seconds of server and browser, which say more on a busy machine, and
first of all a study without trials, whose page takes what server and browser need to start. Needs
the extra `dashboard`, playwright and Chromium.

Writing: generations in which every trial violates its constraint, the worst case, with what Optuna
Dashboard reads and without it, by turns; the ratio is that of the medians of processor seconds.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import optuna
from _head import print_head

import optuna_ofa
from optuna_ofa.dashboard import publish_view
from optuna_ofa.problem import Evaluated
from optuna_ofa.storage import _rows
from optuna_ofa.studies import SubnetStudy

FAMILY = "ofa_mbv3_w1.0"
CONSTRAINTS = {"latency_ms": 20.0}
PLOT = "#graph-pareto-front"
POINTS = f"{PLOT} .scatterlayer .point"
PATIENCE_S = 900


def main() -> None:
    """Print a line for each way of keeping trials, and the ratio of writing."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--evaluations", type=int, default=20_000)
    parser.add_argument(
        "--keep", nargs="*", default=["nothing", "view", "front", "sample", "lean", "all"]
    )
    parser.add_argument("--generations", type=int, default=10, help="to write, of 500 trials")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    print_head()
    with tempfile.TemporaryDirectory() as name:
        print("| keep | trials | published, s | opened, s | processor, s |")
        print("|---" * 5 + "|")
        for keep in arguments.keep:
            print(_opening(Path(name), keep, arguments.evaluations), flush=True)
        if arguments.generations:
            print(_writing(Path(name), arguments.generations))


def _opening(folder: Path, keep: str, n: int) -> str:
    address = f"sqlite:///{folder}/{keep}.db"
    is_view = keep == "view"
    study = optuna_ofa.study(
        FAMILY,
        constraints=CONSTRAINTS,
        storage=None if is_view else address,
        keep=keep if keep in ("sample", "front") else "all",
        parameters="front" if keep == "lean" else "all",
        study_name="benchmark",
        seed=0,
    )
    is_empty = keep == "nothing"
    study.search(0 if is_empty else n, progress=False)
    begin = time.perf_counter()
    if is_view:
        study = publish_view(study, address)
    elif not is_empty:
        study.publish()
    published = time.perf_counter() - begin
    before = _processor_seconds()
    with _served(address) as page:
        page = f"{page}/dashboard/studies/{study._study_id}"
        opened = _seconds_to_open(page, PLOT if is_empty else POINTS)
    used = _processor_seconds() - before
    n_trials = len(study.get_trials(deepcopy=False))
    return f"| {keep} | {n_trials:,} | {published:.1f} | {opened:.1f} | {used:.1f} |"


def _processor_seconds() -> float:
    """Of all processes that were started here and have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


@contextlib.contextmanager
def _served(address: str) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = str(Path(sys.executable).parent / "optuna-dashboard")
    command = [program, address, "--port", str(port), "--server", "wsgiref"]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=quiet, stderr=quiet) as server:
        page = f"http://127.0.0.1:{port}"
        try:
            for _ in range(600):
                with contextlib.suppress(OSError):
                    urllib.request.urlopen(f"{page}/api/meta").close()
                    break
                time.sleep(0.1)
            yield page
        finally:
            server.terminate()


def _seconds_to_open(page: str, selector: str) -> float:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        chromium = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        tab = chromium.new_page(viewport={"width": 1600, "height": 1200})
        begin = time.perf_counter()
        tab.goto(page, wait_until="commit", timeout=1000 * PATIENCE_S)
        tab.wait_for_selector(selector, timeout=1000 * PATIENCE_S)
        seconds = time.perf_counter() - begin
        chromium.close()
    return seconds


def _writing(folder: Path, n: int) -> str:
    study = optuna_ofa.study(
        FAMILY, constraints={"latency_ms": 8.5}, storage=f"sqlite:///{folder}/writing.db", seed=0
    )
    seconds: dict[bool, list[float]] = {True: [], False: []}
    for i in range(2 * n):
        listed = i % 2 == 0
        patch = contextlib.nullcontext() if listed else mock.patch.object(_rows, "listed", _none)
        with patch:
            seconds[listed].append(_seconds_to_write(study, _batch(study, i)))
    ratio = statistics.median(seconds[True]) / statistics.median(seconds[False])
    return f"\nWriting trials that violate a constraint takes {ratio:.3f} times as long."


def _none(total: float) -> None:
    """No list of constraints."""


def _batch(study: SubnetStudy, seed: int) -> Evaluated:
    return study.problem.evaluate(study.space.sample(500, seed=seed))


def _seconds_to_write(study: SubnetStudy, batch: Evaluated) -> float:
    begin, now = time.process_time(), datetime.datetime.now()
    study.store.write(batch, (now, now))
    return time.process_time() - begin


if __name__ == "__main__":
    main()
