"""A part of a note that is replaced, in a text that others write too."""

from __future__ import annotations

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
