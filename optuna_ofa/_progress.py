"""Progress bars."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from tqdm import tqdm


def progress_bar(
    title: str, progress: bool | None, *, leave: bool = False, **options: Any
) -> tqdm[Any]:
    """Return a progress bar.

    Args:
        title: The text in front of it.
        progress: Whether to show it; None shows it on a terminal only.
        leave: Whether it stays when it is finished.
        options: Other arguments of `tqdm.tqdm`.
    """
    hidden = None if progress is None else not progress
    return tqdm(desc=title, disable=hidden, leave=leave, **options)


@contextlib.contextmanager
def graph_progress(
    title: str, progress: bool | None
) -> Iterator[Callable[[int, int, float], None]]:
    """Show a bar, and yield what sets it: graphs done, graphs in all, and seconds left."""
    with progress_bar(title, progress, unit="graph") as bar:

        def tick(done: int, total: int, seconds_left: float) -> None:
            bar.total = total
            bar.set_postfix_str(f"{seconds_left:.0f} s left", refresh=False)
            bar.update(done - bar.n)

        yield tick
