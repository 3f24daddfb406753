"""Tables for notebooks: the HTML that Jupyter shows for a value."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

_CELL = "padding:2px 10px;vertical-align:top;"
_ALIGNED = {False: "text-align:left", True: "text-align:right;white-space:nowrap"}


def html_table(
    caption: str,
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    numeric: Sequence[bool],
    note: str = "",
) -> str:
    """Return a table as HTML, with every text escaped.

    Args:
        caption: A sentence above the table that says what it is.
        head: The titles of its columns; if empty, there is no header row.
        rows: Its rows, with a text for each column.
        numeric: Whether each column has numbers, to be aligned to the right.
        note: A sentence below the table; if empty, it is left out.
    """

    def line(tag: str, texts: Sequence[str]) -> str:
        cells = (
            f'<{tag} style="{_CELL}{_ALIGNED[n]}">{html.escape(text)}</{tag}>'
            for text, n in zip(texts, numeric, strict=True)
        )
        return f"<tr>{''.join(cells)}</tr>"

    titles = f"<thead>{line('th', head)}</thead>" if head else ""
    body = "".join(line("td", row) for row in rows)
    below = f"<div>{html.escape(note)}</div>" if note else ""
    return (
        f"<div><div><b>{html.escape(caption)}</b></div>"
        f'<table style="margin:4px 0">{titles}<tbody>{body}</tbody></table>{below}</div>'
    )
