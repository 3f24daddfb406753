"""A page of tables and pictures that needs nothing but a browser."""

from __future__ import annotations

import datetime
import html
from collections.abc import Mapping, Sequence

from plotly.offline import get_plotlyjs

from optuna_ofa.reports._sections import Section
from optuna_ofa.reports._style import PRINTING, STYLE
from optuna_ofa.reports._table import Table

_KINDS = {
    "predicted": (
        "The values are <strong>predicted</strong> by models, not measured. A search looks for "
        "subnets that its predictors like, so expect the top of a front to be somewhat worse. "
        "How far the predictors are off is said below."
    ),
    "measured": (
        "The values of the picks are <strong>measured</strong>; how and on what is said below. "
        "Where a picture shows predicted values as well, it says so."
    ),
}
_LAST = {"sources": "Where the values come from", "words": "Words"}
_WORDS = """<dl>
<dt>Supernet, subnet</dt><dd>One trained network that holds very many smaller ones, its subnets,
which share its weights. A subnet is used as it is, or trained a little more.</dd>
<dt>Front</dt><dd>The subnets that are not beaten: whatever is better in one respect is worse in
another.</dd>
<dt>Latency</dt><dd>How long a network takes for one input on the device that is named
above.</dd>
<dt>Top-1 accuracy</dt><dd>How many of a hundred images get the right label.</dd>
<dt>Multiply-adds</dt><dd>How much a network computes; not how long it takes.</dd>
</dl>"""


def page(
    *,
    title: str,
    moment: datetime.datetime,
    kind: str,
    picks: Table,
    sections: Sequence[Section],
    sources: Mapping[str, Table],
) -> str:
    """The page as text.

    Args:
        title: Its title.
        moment: When it was written.
        kind: Whether the values of the picks are predicted or measured.
        picks: The table of picks.
        sections: The pictures; ids must differ.
        sources: Where the values of each study come from, by its name.
    """
    name = html.escape(title)
    headings = {**{s.id: html.escape(s.title) for s in sections}, **_LAST}
    contents = "".join(f'<li><a href="#{id}">{text}</a></li>' for id, text in headings.items())
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{name}</title>
<style>{STYLE}</style>
<script>{get_plotlyjs()}</script>
</head>
<body>
<header>
<h1>{name}</h1>
<p class="moment">{moment:%d %B %Y, %H:%M %Z}</p>
</header>
<main>
<section id="picks">
<h2>The picks</h2>
<p>{_KINDS[kind]}</p>
<div class="wide">{picks.to_html()}</div>
</section>
<nav><ul>{contents}</ul></nav>
{"".join(map(_section, sections))}
<section id="sources">
<h2>{_LAST["sources"]}</h2>
{"".join(_sources(*item, alone=len(sources) == 1) for item in sources.items())}
</section>
<section id="words">
<h2>{_LAST["words"]}</h2>
{_WORDS}
</section>
</main>
<script>{PRINTING}</script>
</body>
</html>
"""


def _section(section: Section) -> str:
    figure = section.figure.to_html(
        full_html=False, include_plotlyjs=False, div_id=f"picture-{section.id}",
        config={"responsive": True, "displaylogo": False},
    )  # fmt: skip
    return f"""<section id="{section.id}">
<h2>{html.escape(section.title)}</h2>
<p>{html.escape(section.caption)}</p>
<figure>{figure}</figure>
</section>
"""


def _sources(name: str, table: Table, *, alone: bool) -> str:
    title = "" if alone else f"<h3>{html.escape(name)}</h3>\n"
    return f'{title}<div class="sources">{table.to_html()}</div>\n'
