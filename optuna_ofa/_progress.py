"""Showing what is done and the time left."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from tqdm import tqdm


@contextlib.contextmanager
def progress_bar(title: str, shown: bool) -> Iterator[Callable[[int, int, float], None]]:
    """Show a bar of the graphs that are done, with the seconds that are left."""
    with tqdm(desc=title, unit="graph", disable=not shown, leave=False) as bar:

        def tick(done: int, total: int, seconds_left: float) -> None:
            bar.total = total
            bar.set_postfix_str(f"{seconds_left:.0f} s left", refresh=False)
            bar.update(done - bar.n)

        yield tick
