"""Progress bars whose clock keeps running during long steps."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Self

from tqdm import tqdm

# Seconds between two updates of a bar. Drawing it takes a fraction of a millisecond, and latencies
# measured meanwhile are medians of many runs.
_INTERVAL = 1.0


if TYPE_CHECKING:
    _Tqdm = tqdm[Any]
else:
    _Tqdm = tqdm


# the visible bar of the innermost block, for what goes on in hidden ones
_shown: ContextVar[Bar | None] = ContextVar("shown", default=None)


class Bar(_Tqdm):
    """A bar that is redrawn every second, so that a long step does not look stuck.

    As a context it also shows what hidden bars within the block say.

    Args:
        args: As of `tqdm.tqdm`.
        options: As of `tqdm.tqdm`.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        self._ended = threading.Event()
        self._outer: Bar | None = None
        super().__init__(*args, **options)
        if not self.disable:
            threading.Thread(target=self._draw, daemon=True).start()

    def _draw(self) -> None:
        while not self._ended.wait(_INTERVAL):
            self.refresh()

    def __enter__(self) -> Self:
        self._outer = _shown.get()
        if not self.disable:
            self._token = _shown.set(self)
        elif self._outer is not None:
            self._before = self._outer.postfix
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        if not self.disable:
            _shown.reset(self._token)
        elif self._outer is not None:
            self._outer.postfix = self._before
        super().__exit__(*error)

    def say(self, words: str) -> None:
        """Show what goes on, in this bar or in the visible one around it."""
        bar = self._outer if self.disable else self
        if bar is not None:
            bar.set_postfix_str(words)

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
    """Show a step that cannot be counted and its elapsed time; the line is removed at the end."""
    with progress_bar(title, progress, bar_format="{desc} ... {elapsed}"):
        yield


class GraphBar:
    """A bar of graphs, with the current step and the estimated seconds left.

    Args:
        bar: The bar.
    """

    def __init__(self, bar: Bar) -> None:
        self._bar = bar

    def __call__(self, done: int, total: int, seconds_left: float) -> None:
        """Set the graphs done, the graphs in total, and the seconds left."""
        self._bar.total = total
        self._bar.set_postfix_str(f"{seconds_left:.0f} s left", refresh=False)
        self._bar.update(done - self._bar.n)

    def say(self, words: str) -> None:
        """Set the current step."""
        self._bar.say(words)


@contextlib.contextmanager
def graph_progress(title: str, progress: bool | None, *, total: int) -> Iterator[GraphBar]:
    """Show a bar for a number of graphs, and yield it."""
    with progress_bar(title, progress, unit="graph", total=total) as bar:
        yield GraphBar(bar)
