"""How many faults in the code do the tests notice? See README.md.

Works in a copy of the tree. First the tests of the rooms run once with coverage; then each fault,
drawn at random with a seed, gets the tests that reach its line, until one fails. A fault that is
not noticed is printed: it changes nothing, or a test is missing.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import coverage
import pytest
from _faults import Fault, faults

ROOT = Path(__file__).resolve().parents[2]
OPTIONS = ("-q", "-x", "-p", "no:cacheprovider", "-W", "ignore", "-p", "no:randomly")
FOLDERS = {"samplers": "samplers", "predictors": "predictors"}  # others are in optuna_ofa/
MOST_TESTS = 150


def copied(into: Path) -> Path:
    """Copy the tracked files and link the data beside the project."""
    tree = into / "main"
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    for name in files.stdout.splitlines():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).exists():
            shutil.copy2(ROOT / name, tree / name, follow_symlinks=False)
    (into / "shared").symlink_to(ROOT.parent / "shared")
    os.environ["PYTHONPATH"] = str(tree)
    return tree


def cover(tree: Path, tests: list[str], into: Path) -> None:
    """Run the tests once, and note which of them reach which lines."""
    options = ("--cov", "--cov-context=test", "--cov-report=")
    command = [sys.executable, "-m", "pytest", *OPTIONS[2:], "-q", *options, *tests]
    subprocess.run(command, cwd=tree, env={**os.environ, "COVERAGE_FILE": str(into)})


def reaching(data: coverage.CoverageData, file: Path, line: int, tests: list[str]) -> list[str]:
    """Return the tests that reach a line; all where it runs on import."""
    contexts = data.contexts_by_lineno(str(file)).get(line, [])
    names = sorted({context.split("|")[0] for context in contexts if context})
    return random.Random(0).sample(names, min(len(names), MOST_TESTS)) or tests


def noticed(tree: Path, tests: list[str], seconds: float, log: Path) -> bool:
    """Return whether the tests fail, or do not end in time, in a forked process."""
    child = os.fork()
    if not child:
        os.setsid()
        os.chdir(tree)
        sys.path.insert(0, str(tree))
        with log.open("wb") as out:
            os.dup2(out.fileno(), 1)
            os.dup2(out.fileno(), 2)
        os._exit(int(pytest.main([*OPTIONS, *tests]) != pytest.ExitCode.OK))
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return status != 0
        time.sleep(0.05)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


def drawn(folder: Path, n: int, seed: int) -> list[tuple[Path, Fault]]:
    """Draw faults of a room, no two in one line."""
    found = [(path, f) for path in sorted(folder.rglob("*.py")) for f in faults(path.read_text())]
    random.Random(seed).shuffle(found)
    lines: dict[tuple[Path, int], tuple[Path, Fault]] = {}
    for path, fault in found:
        lines.setdefault((path, fault.line), (path, fault))
    return sorted(list(lines.values())[:n], key=lambda pair: (pair[0], pair[1].line))


def try_room(tree: Path, room: str, options: argparse.Namespace, work: Path) -> Counter[bool]:
    """Put the faults of a room in, one after the other."""
    tests = [f"tests/{name}" for name in (room, *options.also)]
    database = work / f"{room}.coverage"
    cover(tree, tests, database)
    data = coverage.CoverageData(str(database))
    data.read()
    counts: Counter[bool] = Counter()
    folder = tree / FOLDERS.get(room, f"optuna_ofa/{room}")
    for path, fault in drawn(folder, options.n, options.seed):
        original = path.read_text()
        names = reaching(data, path, fault.line, tests)
        path.write_text(fault.source)
        log = work / "log.txt"
        try:
            seen = noticed(tree, names, options.seconds, log)
        finally:
            path.write_text(original)
        counts[seen] += 1
        word = "noticed" if seen else "NOT NOTICED"
        place = f"{path.relative_to(tree)}:{fault.line}"
        print(f"{word:12}{place} [{fault.kind}] {fault.text} ({len(names)} tests)", flush=True)
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rooms", nargs="+", help="such as studies or storage")
    parser.add_argument("--also", nargs="*", default=[], help="more rooms whose tests run")
    parser.add_argument("-n", type=int, default=12, help="faults a room")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=240, help="after which tests hang")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    import optuna  # noqa: F401  # once, before the forks
    import torch  # noqa: F401

    with tempfile.TemporaryDirectory() as name:
        tree = copied(Path(name))
        for room in options.rooms:
            counts = try_room(tree, room, options, Path(name))
            print(f"{room}: noticed {counts[True]} of {counts.total()}", flush=True)


if __name__ == "__main__":
    main()
