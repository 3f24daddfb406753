"""Give damaged files to every reader, in processes that may die of them.

    python benchmarks/attacks/files.py --inputs 10000 --seed 0

Each input is a valid file with one to three random damages. It must be refused with an error of
this package, or be read with plausible numbers. The command fails if anything else happens:

- raised: an exception that is not of this package
- died: the process was killed, as by a segmentation fault
- hung: no answer after ten seconds
- accepted: a number that cannot be, such as a negative latency
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import warnings
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import optuna
import torch
from _forks import outcomes
from _mutations import mutate
from _samples import ImplausibleError, Reader, readers

from optuna_ofa.exceptions import OptunaOFAError

COLUMNS = ("refused", "read", "raised", "died", "hung", "accepted")
FAULTS = COLUMNS[2:]
LIMIT_S = 10


def damaged(reader: Reader, seed: int, number: int) -> bytes:
    """Return a damaged file."""
    rng = np.random.default_rng([seed, number])
    return mutate(rng, reader.valid.read_bytes(), reader.kind)


def attempt(reader: Reader, folder: Path, seed: int, number: int) -> str:
    """Damage the file of a reader, read it, and return the outcome."""
    data = damaged(reader, seed, number)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reader.attempt(data, folder)
    except OptunaOFAError as error:
        return f"refused: {type(error).__name__}"
    except ImplausibleError as error:
        return f"accepted: {error}"
    except BaseException as error:
        return f"raised: {type(error).__name__}: {error}"
    return "read"


def attack(reader: Reader, folder: Path, n: int, seed: int, keep: Path | None) -> Counter[str]:
    """Return how often each outcome was seen; print the faults."""
    counts: Counter[str] = Counter()
    for number, outcome in outcomes(partial(attempt, reader, folder, seed), range(n), LIMIT_S):
        kind = outcome.partition(":")[0]
        counts[kind] += 1
        if kind in FAULTS:
            print(f"{reader.name}, input {number}: {outcome}", file=sys.stderr)
            if keep is not None:
                keep.mkdir(parents=True, exist_ok=True)
                name = f"{reader.name} {number}{reader.valid.suffix}"
                (keep / name).write_bytes(damaged(reader, seed, number))
    return counts


def main() -> None:
    """Attack all readers and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", help="names of readers, or parts of them")
    parser.add_argument("--keep", type=Path, help="folder for inputs with a fault")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    optuna.logging.disable_default_handler()
    with tempfile.TemporaryDirectory() as name:
        (folder := Path(name) / "valid").mkdir()
        (scratch := Path(name) / "damaged").mkdir()
        found = readers(folder)
        chosen = [
            r for r in found if not arguments.only or any(o in r.name for o in arguments.only)
        ]
        n = -(-arguments.inputs // len(chosen))
        print(f"{n * len(chosen):,} inputs, seed {arguments.seed}; load {os.getloadavg()[0]:.1f}\n")
        print("| reader | " + " | ".join(COLUMNS) + " | seconds |")
        print("|---|" + "---|" * (len(COLUMNS) + 1))
        total: Counter[str] = Counter()
        for reader in chosen:
            reader.attempt(reader.valid.read_bytes(), scratch)  # as it is, it must be readable
            start = time.perf_counter()
            counts = attack(reader, scratch, n, arguments.seed, arguments.keep)
            total += counts
            row(reader.name, counts, time.perf_counter() - start)
        row("all", total, 0)
    if any(total[kind] for kind in FAULTS):
        sys.exit(1)


def row(name: str, counts: Counter[str], seconds: float) -> None:
    """Print a line of the table."""
    cells = " | ".join(f"{counts[kind]:,}" for kind in COLUMNS)
    print(f"| {name} | {cells} | {f'{seconds:.0f}' if seconds else ''} |", flush=True)


if __name__ == "__main__":
    main()
