"""Progress bars, whose time goes on while nothing is counted."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

# Seconds between two looks at a bar. Drawing it takes a fraction of a millisecond, and the runs
# that are measured meanwhile are medians.
_INTERVAL = 1.0


if TYPE_CHECKING:
    _Tqdm = tqdm[Any]
else:
    _Tqdm = tqdm


class Bar(_Tqdm):
    """A bar that is drawn every second, so that a long step is seen to go on.

    Args:
        args: As of `tqdm.tqdm`.
        options: As of `tqdm.tqdm`.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        self._ended = threading.Event()
        super().__init__(*args, **options)
        if not self.disable:
            threading.Thread(target=self._draw, daemon=True).start()

    def _draw(self) -> None:
        while not self._ended.wait(_INTERVAL):
            self.refresh()

    def close(self) -> None:
        """End the bar."""
        self._ended.set()
        super().close()


def progress_bar(title: str, progress: bool | None, *, leave: bool = False, **options: Any) -> Bar:
    """Return a progress bar.

    Args:
        title: The text in front of it.
        progress: Whether to show it; None shows it on a terminal only.
        leave: Whether it stays when it is finished.
        options: Other arguments of `tqdm.tqdm`.
    """
    hidden = None if progress is None else not progress
    return Bar(desc=title, disable=hidden, leave=leave, **options)


@contextlib.contextmanager
def stage(title: str, progress: bool | None = None) -> Iterator[None]:
    """Say what is done, and for how long, where nothing can be counted; nothing stays of it."""
    with progress_bar(title, progress, bar_format="{desc} ... {elapsed}"):
        yield


class GraphBar:
    """A bar of graphs, with words on what is done and the seconds that are left.

    Args:
        bar: The bar.
    """

    def __init__(self, bar: Bar) -> None:
        self._bar = bar

    def __call__(self, done: int, total: int, seconds_left: float) -> None:
        """Set graphs done, graphs in all, and seconds left."""
        self._bar.total = total
        self._bar.set_postfix_str(f"{seconds_left:.0f} s left", refresh=False)
        self._bar.update(done - self._bar.n)

    def say(self, words: str) -> None:
        """Set what is done at the moment."""
        self._bar.set_postfix_str(words)


@contextlib.contextmanager
def graph_progress(title: str, progress: bool | None, *, total: int) -> Iterator[GraphBar]:
    """Show a bar of so many graphs, and yield it."""
    with progress_bar(title, progress, unit="graph", total=total) as bar:
        yield GraphBar(bar)
