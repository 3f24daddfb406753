"""The known name that is closest to a misspelt one."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher

_LEAST = 0.6  # least similarity for a suggestion, the default of `difflib`


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown name: ``"; did you mean 'note10'?"``.

    Args:
        word: What was given.
        known: The valid names; the first of several equally close ones is taken.

    Returns:
        Words that begin with a semicolon, or a full stop where no name is close.
    """
    given = str(word).lower()
    likeness = {name: SequenceMatcher(None, given, name.lower()).ratio() for name in known}
    closest = max(likeness, key=likeness.__getitem__, default="")
    return f"; did you mean {closest!r}?" if likeness.get(closest, 0.0) >= _LEAST else "."
