"""What the dashboard's own functions would write, kept until all of it is written at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import optuna
import plotly.graph_objects as go

from optuna_ofa._imports import try_import
from optuna_ofa.storage import set_study_attributes

if TYPE_CHECKING:
    from optuna_ofa.studies import SubnetStudy

_dashboard = try_import("optuna_dashboard", "dashboard")


class _Buffer:
    """A storage as far as the dashboard's functions use one."""

    def __init__(self, attributes: dict[str, Any]) -> None:
        self.known, self.new = dict(attributes), dict[str, Any]()

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        return dict(self.known)

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        self.known[key] = self.new[key] = value


class _Study(optuna.Study):
    """A study as far as the dashboard's functions use one."""

    def __init__(self, buffer: Any, study_id: int) -> None:
        self._storage, self._study_id = buffer, study_id


@dataclass
class _Trial:
    """A trial as far as the dashboard's functions use one."""

    storage: _Buffer
    study: optuna.Study
    _trial_id: int


class Pending:
    """Attributes of a study for Optuna Dashboard, which are not written yet.

    The dashboard's functions write each piece of 2,045 characters on its own: some hundred
    transactions, in whose midst a page may be opened.

    Args:
        study: The study.

    Raises:
        MissingDependencyError: If optuna-dashboard is not installed.
    """

    def __init__(self, study: SubnetStudy) -> None:
        self._module = _dashboard.check()
        self._study = study
        self._buffer = _Buffer(study._storage.get_study_system_attrs(study._study_id))
        self._stub = _Study(self._buffer, study._study_id)

    def get(self, key: str, default: Any = None) -> Any:
        """An attribute of the study, as it will be."""
        return self._buffer.known.get(key, default)

    def keys(self) -> list[str]:
        """The keys of the study's attributes, as they will be."""
        return list(self._buffer.known)

    def set(self, key: str, value: Any) -> None:
        """Set an attribute of the study."""
        self._buffer.set_study_system_attr(self._stub._study_id, key, value)

    def set_figure(self, figure: go.Figure, name: str) -> None:
        """Put a figure on the study's page, in place of one of that name."""
        self._module.save_plotly_graph_object(self._stub, figure, graph_object_id=name)

    def set_note(self, text: str, *, trial_id: int | None = None) -> None:
        """Put a text into the note of the study or of a trial, in place of the last one.

        What else is in the note stays.
        """
        where: Any = self._stub
        if trial_id is not None:
            where = _Trial(self._buffer, self._stub, trial_id)
        old = self._module.get_note(where)
        new = with_section(old, text)
        if new != old:
            self._module.save_note(where, new)

    def write(self) -> None:
        """Write everything.

        Raises:
            StorageError: If the database refuses, and then nothing was written.
        """
        set_study_attributes(self._study, self._buffer.new)


# Definitions of links, which no reader of Markdown shows.
_BEGIN = "[optuna_ofa begin]: # (What is between here and the end is replaced.)"
_END = "[optuna_ofa end]: # (What is below is left as it is.)"


def with_section(note: str, text: str) -> str:
    """A note with a text in place of the last one; an empty text takes it out.

    Args:
        note: The note as it is; what is written by others in it stays.
        text: Markdown.
    """
    section = f"{_BEGIN}\n\n{text.strip()}\n\n{_END}" if text.strip() else ""
    before, begin, rest = note.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        before, after = "", note
    parts = (part.strip() for part in (before, section, after))
    return "\n\n".join(part for part in parts if part)
