"""The known name that a misspelt one is closest to."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher

_LEAST = 0.6  # likeness of two names that are taken for each other, as in `difflib`


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown name: ``"; did you mean 'note10'?"``.

    Args:
        word: What was given.
        known: The names that there are; of several that are equally close the first is taken.

    Returns:
        Words that begin with a semicolon, or a full stop where no name is close.
    """
    given = str(word).lower()
    likeness = {name: SequenceMatcher(None, given, name.lower()).ratio() for name in known}
    closest = max(likeness, key=likeness.__getitem__, default="")
    return f"; did you mean {closest!r}?" if likeness.get(closest, 0.0) >= _LEAST else "."
