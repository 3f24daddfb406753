"""Attributes for Optuna Dashboard, collected and written at once."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import optuna
import plotly.graph_objects as go

from optuna_ofa._imports import try_import
from optuna_ofa.storage import Store, storage_errors

_PUBLISHED = "optuna_ofa:published"
_dashboard = try_import("optuna_dashboard", "dashboard")


class _Attributes:
    """The system attributes of a study, behind the interface of a storage; nothing is written."""

    def __init__(self, known: dict[str, Any]) -> None:
        self.known, self.new = dict(known), dict[str, Any]()

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        return dict(self.known)

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        self.known[key] = self.new[key] = value


class _Stub(optuna.Study):
    """The parts of a study that the dashboard's functions use: two private attributes."""

    def __init__(self, storage: Any, study_id: int) -> None:
        self._storage, self._study_id = storage, study_id

    def trial(self, trial_id: int) -> Any:
        """Return the parts of a trial that these functions use."""
        return SimpleNamespace(storage=self._storage, study=self, _trial_id=trial_id)


class Pending:
    """Attributes of a study for Optuna Dashboard that are not written yet.

    The dashboard's functions write each piece of 2,045 characters separately: hundreds of
    transactions, in the middle of which a page may be opened.

    Args:
        store: The attributes of the study in its storage.

    Raises:
        MissingDependencyError: If optuna-dashboard is not installed.
    """

    def __init__(self, store: Store) -> None:
        self._module = _dashboard.check()
        self.store = store
        self._attributes = _Attributes(store.attributes())
        self._study = _Stub(self._attributes, store.study_id)

    @property
    def attributes(self) -> dict[str, Any]:
        """The attributes of the study after writing."""
        return self._attributes.known

    def set(self, key: str, value: Any) -> None:
        """Set an attribute of the study."""
        self._attributes.set_study_system_attr(self.store.study_id, key, value)

    def set_figure(self, figure: go.Figure, name: str) -> None:
        """Put a figure on the study's page, in place of one with that name."""
        with storage_errors(self.store.storage):
            self._module.save_plotly_graph_object(self._study, figure, graph_object_id=name)

    def set_note(self, text: str, *, trial_id: int | None = None) -> None:
        """Put a text into the note of the study or of a trial, in place of the previous one.

        The rest of the note is kept.
        """
        place = self._study if trial_id is None else self._study.trial(trial_id)
        with storage_errors(self.store.storage):  # another program may have damaged the note
            old = self._module.get_note(place)
            new = with_block(old, text)
            if new != old:
                self._module.save_note(place, new)

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
        self.store.set_attributes(self._attributes.new)


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
