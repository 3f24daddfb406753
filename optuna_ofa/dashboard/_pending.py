"""Attributes for Optuna Dashboard, collected and written at once.

Notes and figures are system attributes of the study, in pieces (``optuna_dashboard/_note.py`` and
``_custom_plot_data.py``). Its own functions write each piece in a transaction, hundreds of them, in
the middle of which a page may be opened, and importing them takes seconds, because the server is
imported with them, and scikit-learn with that.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import plotly.graph_objects as go

from optuna_ofa.storage import Store, storage_errors

_PUBLISHED = "optuna_ofa:published"
_N_CHARACTERS = 2045  # of a piece


class Pending:
    """Attributes of a study for Optuna Dashboard that are not written yet.

    Args:
        store: The attributes of the study in its storage.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._known, self._new = dict(store.attributes()), dict[str, Any]()
        self._removed: set[str] = set()

    @property
    def attributes(self) -> dict[str, Any]:
        """The attributes of the study after writing."""
        return self._known

    def set(self, key: str, value: Any) -> None:
        """Set an attribute of the study."""
        self._known[key] = self._new[key] = value
        self._removed.discard(key)

    def remove(self, key: str) -> None:
        """Remove an attribute of the study, where `Store.removes_attributes`."""
        self._known.pop(key, None)
        self._new.pop(key, None)
        self._removed.add(key)

    def set_figure(self, figure: go.Figure, name: str) -> None:
        """Put a figure on the study's page, in place of one with that name.

        Args:
            figure: The figure.
            name: A valid HTML id.
        """
        self._set_text(f"dashboard:plot_data:{name}:", str(figure.to_json()))

    def set_note(self, text: str, *, trial_id: int | None = None) -> None:
        """Put a text into the note of the study or of a trial, in place of the previous one.

        The rest of the note is kept.
        """
        place = "dashboard:" if trial_id is None else f"dashboard:{trial_id}:"
        version = f"{place}note_ver"
        with storage_errors(self.store.storage):  # another program may have damaged the note
            old = self._text(f"{place}note_str:") if version in self._known else ""
            new = with_block(old, text)
            if new != old:
                self.set(version, int(self._known.get(version, 0)) + 1)
                self._set_text(f"{place}note_str:", new)

    def _text(self, prefix: str) -> str:
        """Return a text that is stored in pieces."""
        return "".join([self._known[f"{prefix}{i}"] for i in range(self._n_pieces(prefix))])

    def _set_text(self, prefix: str, text: str) -> None:
        """Store a text in pieces; those of a longer one that was there become empty."""
        n = self._n_pieces(prefix)
        starts = range(0, len(text), _N_CHARACTERS)
        pieces = [text[start : start + _N_CHARACTERS] for start in starts]
        for i, piece in enumerate([*pieces, *[""] * (n - len(pieces))]):
            self.set(f"{prefix}{i}", piece)

    def _n_pieces(self, prefix: str) -> int:
        return sum(key.startswith(prefix) for key in self._known)

    def published(self) -> list[int]:
        """Return the numbers of the trials that have notes or files."""
        given = self.attributes.get(_PUBLISHED)
        numbers = given if isinstance(given, list) else []
        return [number for number in numbers if isinstance(number, int)]

    def set_published(self, numbers: Iterable[int]) -> None:
        """Set what `published` returns."""
        self.set(_PUBLISHED, sorted(numbers))

    def write(self) -> None:
        """Write everything.

        Raises:
            StorageError: If the database cannot be written; nothing is written then.
        """
        self.store.set_attributes(self._new, self._removed)


# Link definitions, which Markdown viewers do not show.
_BEGIN = "[optuna_ofa begin]: # (What is between here and the end is replaced.)"
_END = "[optuna_ofa end]: # (What is below is left as it is.)"


def with_block(note: str, text: str) -> str:
    """Return a note with a text in place of the previous one; an empty text removes it.

    Args:
        note: The present note; other text in it is kept.
        text: Markdown.
    """
    block = f"{_BEGIN}\n\n{text.strip()}\n\n{_END}" if text.strip() else ""
    before, begin, rest = note.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        before, after = "", note
    parts = (part.strip() for part in (before, block, after))
    return "\n\n".join(part for part in parts if part)
