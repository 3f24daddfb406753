"""The numbers of the workers that search one study at the same time.

Each breeds from its own stream of random numbers, which the seed and its number define. A worker
takes a number when it sees for the first time that others write to the study while it searches:
a study that one process searches has none. A number is never used again, so that nobody has to
know which workers have died.
"""

from __future__ import annotations

from collections.abc import Iterable

# One system attribute of the study for each number, because a worker may take it at any time.
WORKER_KEY = "optuna_ofa:worker:"


def next_worker(keys: Iterable[str]) -> int:
    """Return the smallest number above all that are taken, from 1.

    Args:
        keys: Keys of the system attributes of a study.
    """
    texts = (key.removeprefix(WORKER_KEY) for key in keys if key.startswith(WORKER_KEY))
    return max((int(text) for text in texts if text.isascii() and text.isdecimal()), default=0) + 1
