"""A page of tables and figures that needs only a browser."""

from __future__ import annotations

import datetime
import html
import json
from collections.abc import Mapping, Sequence

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from optuna_ofa.reports._sections import Section
from optuna_ofa.reports._table import Table
from optuna_ofa.space import AnySubnet, Configuration

_ABOUT_VALUES = {
    "predicted": (
        "The values are <strong>predicted</strong> by models, not measured. A search "
        "favours those that are predicted too well, so expect measured "
        "values to be somewhat worse. The errors of the predictors are listed below."
    ),
    "measured": (
        "The values of the picks are <strong>measured</strong>; the conditions are listed below. "
        "Figures that also show predicted values say so."
    ),
}
_ABOUT_EXACT = "Exact values are computed from the layers."
_ABOUT_JSON = (
    "In Python, <code>optuna_ofa.Subnet.from_dict(json.loads(text))</code> returns the subnet; "
    "<code>optuna-ofa export --subnet</code> takes the JSON saved as a file."
)
_ABOUT_CONFIGURATIONS = (
    "In Python, <code>optuna_ofa.space.Configuration.from_dict(json.loads(text))</code> returns "
    "the configuration, a mapping from names to values."
)
_LAST = {"sources": "Where the values come from", "words": "Glossary"}
_WORDS = """<dl>
<dt>Supernet, subnet</dt><dd>One trained network that contains very many smaller ones, its subnets,
which share its weights. A subnet is used directly or fine-tuned first.</dd>
<dt>Front</dt><dd>The best trade-offs: any other subnet found that is better in one objective is
worse in another.</dd>
<dt>Latency</dt><dd>The time that a network takes for one input on the device named
above.</dd>
<dt>Top-1 accuracy</dt><dd>The percentage of images that get the right label.</dd>
<dt>Multiply-adds</dt><dd>The amount of computation; it does not determine the latency.</dd>
</dl>"""
_CONFIGURATION_WORDS = """<dl>
<dt>Configuration</dt><dd>One value of each parameter of the table of choices. A parameter that
depends on another one is left out where it has no effect.</dd>
<dt>Front</dt><dd>The best trade-offs: any other configuration found that is better in one objective
is worse in another.</dd>
</dl>"""


def page(
    *,
    title: str,
    moment: datetime.datetime,
    kind: str,
    picks: Table,
    note: str,
    subnets: Mapping[str, AnySubnet],
    sections: Sequence[Section],
    sources: Mapping[str, Table],
) -> str:
    """Return the page as text.

    Args:
        title: Its title.
        moment: The time of writing.
        kind: Whether the values of the picks are predicted or measured.
        picks: The table of picks.
        note: A sentence below that table; empty for none.
        subnets: The subnets of the picks by name, to copy.
        sections: The figures; their ids must differ.
        sources: The sources of each study by its name.
    """
    name = html.escape(title)
    has_network = not any(isinstance(of, Configuration) for of in subnets.values())
    headings = {**{s.id: html.escape(s.title) for s in sections}, **_LAST}
    contents = "".join(f'<li><a href="#{id}">{text}</a></li>' for id, text in headings.items())
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{name}</title>
<style>{_STYLE}</style>
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
<p>{_ABOUT_VALUES[kind]}{f" {_ABOUT_EXACT}" if has_network else ""}</p>
<div class="wide">{picks.to_html()}</div>
{f'<p class="note">{html.escape(note)}</p>' if note else ""}
{_to_copy(subnets)}
</section>
<nav><ul>{contents}</ul></nav>
{"".join(map(_section, sections))}
<section id="sources">
<h2>{_LAST["sources"]}</h2>
{"".join(_sources(*item, alone=len(sources) == 1) for item in sources.items())}
</section>
<section id="words">
<h2>{_LAST["words"]}</h2>
{_WORDS if has_network else _CONFIGURATION_WORDS}
</section>
</main>
<script>{_COPYING}{_PRINTING}</script>
</body>
</html>
"""


def _to_copy(subnets: Mapping[str, AnySubnet]) -> str:
    """Return each subnet as text and as JSON, with a button that copies it."""
    if not subnets:
        return ""
    items = "".join(
        f"""<details class="picked"><summary>{html.escape(name)}</summary>
<p class="subnet">{html.escape(str(subnet))}</p>
<pre class="subnet">{html.escape(json.dumps(subnet.to_dict()))}</pre>
<button type="button">Copy JSON</button></details>
"""
        for name, subnet in subnets.items()
    )
    is_plain = isinstance(next(iter(subnets.values())), Configuration)
    noun, about = (
        ("configurations", _ABOUT_CONFIGURATIONS) if is_plain else ("subnets", _ABOUT_JSON)
    )
    return f"<h3>The {noun} of the picks, to copy</h3>\n<p>{about}</p>\n{items}"


def _section(section: Section) -> str:
    about, drawn = _without_title(section.figure)
    figure = drawn.to_html(
        full_html=False,
        include_plotlyjs=False,
        div_id=f"picture-{section.id}",
        config={"responsive": True, "displaylogo": False},
    )
    return f"""<section id="{section.id}">
<h2>{html.escape(section.title)}</h2>
<p>{html.escape(section.caption)}</p>
{about}<figure>{figure}</figure>
</section>
"""


def _without_title(figure: go.Figure) -> tuple[str, go.Figure]:
    """Return the title of a figure as a paragraph, which wraps in a narrow window.

    Only figures of this package; titles of other figures stay where they are.
    """
    meta = figure.layout.meta
    if not isinstance(meta, dict) or "title" not in meta:
        return "", figure
    lines = [f"<strong>{html.escape(meta['title'])}</strong>", *map(html.escape, meta["notes"])]
    n_lines = figure.layout.title.text.count("<br>") + 1
    top = max((figure.layout.margin.t or 100) - 12 - 21 * n_lines, 24)
    drawn = go.Figure(figure).update_layout(title=None, margin={"t": top})
    if figure.layout.height:
        drawn.update_layout(height=figure.layout.height - 21 * n_lines)
    return f'<p class="about">{"<br>".join(lines)}</p>\n', drawn


def _sources(name: str, table: Table, *, alone: bool) -> str:
    title = "" if alone else f"<h3>{html.escape(name)}</h3>\n"
    return f'{title}<div class="sources">{table.to_html()}</div>\n'


_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; color: #1c2430;
       margin: 0; background: #ffffff; }
header { background: #0b3d5c; color: #ffffff; padding: 1.6rem max(1.5rem, calc(50vw - 34rem)); }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0; }
.moment { margin: 0.3rem 0 0; opacity: 0.85; }
main { max-width: 68rem; margin: 0 auto; padding: 0 1.5rem 3rem; }
h2 { font-size: 1.25rem; margin: 2.4rem 0 0.4rem; }
h3 { font-size: 1.05rem; margin: 1.4rem 0 0.3rem; }
p { max-width: 46rem; margin: 0.4rem 0 0.8rem; }
nav ul { columns: 2; padding-left: 1.2rem; }
a { color: #0b5c8c; }
figure { margin: 0; overflow-x: auto; }
.wide { overflow-x: auto; max-width: 100%; }
.wide td:first-child { white-space: nowrap; }
code { overflow-wrap: anywhere; }
.about { font-size: 0.9rem; overflow-wrap: anywhere; }
#architectures figure > div, [id^="layers"] figure > div { min-width: 34rem; }
.subnet { font: 0.8rem/1.4 ui-monospace, Menlo, Consolas, monospace; user-select: all;
          overflow-wrap: anywhere; }
.picked { border-bottom: 1px solid #d8dee6; padding: 0.4rem 0; }
.picked summary { cursor: pointer; }
.picked button { font: inherit; font-size: 0.85rem; padding: 0.2rem 0.7rem; }
.picked pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0.4rem 0; }
table { border-collapse: collapse; font-size: 0.92rem; }
th, td { padding: 0.35rem 0.7rem; border-bottom: 1px solid #d8dee6; text-align: left;
         vertical-align: top; }
thead th { border-bottom: 2px solid #0b3d5c; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
thead .number { white-space: normal; }
.sources td:first-child { white-space: nowrap; font-weight: 600; }
.sources td:last-child { overflow-wrap: anywhere; }
.sources thead { display: none; }
dt { font-weight: 600; }
dd { margin: 0 0 0.6rem 1.2rem; max-width: 44rem; }
@media (max-width: 640px) {
  body { font-size: 15px; }
  header { padding: 1.2rem 1rem; }
  h1 { font-size: 1.35rem; overflow-wrap: anywhere; }
  main { padding: 0 1rem 2rem; }
  nav ul { columns: 1; }
  .sources table, .sources tbody, .sources tr, .sources td { display: block; }
  .sources tr { padding: 0.35rem 0; border-bottom: 1px solid #d8dee6; }
  .sources td { padding: 0; border: 0; }
  .sources td:first-child { white-space: normal; }
  .wide th, .wide td { padding: 0.35rem 0.45rem; font-size: 0.85rem; }
  dd { margin-left: 0; }
}
@media print {
  @page { size: A4; margin: 14mm; }
  body { font-size: 10.5pt; }
  header { background: none; color: #000000; padding: 0; border-bottom: 2px solid #000000; }
  main { max-width: none; padding: 0; }
  nav { display: none; }
  section { break-inside: avoid; }
  #sources { break-inside: auto; }
  table { font-size: 8pt; }
  th, td { padding: 0.2rem 0.25rem; }
  .wide { overflow: visible; }
  .modebar-container { display: none; }
}
"""
# A page opened as a file may have no clipboard; then the text is selected and copied by command.
_COPYING = """
document.querySelectorAll('.picked button').forEach(button => { button.onclick = () => {
  const text = button.parentElement.querySelector('pre');
  const said = words => { button.textContent = words; };
  const select = () => {
    const range = document.createRange();
    range.selectNodeContents(text);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    said(document.execCommand('copy') ? 'Copied' : 'Selected: press Ctrl+C');
  };
  if (navigator.clipboard) {
    navigator.clipboard.writeText(text.textContent).then(() => said('Copied'), select);
  } else { select(); }
}; });
"""
# Figures have the width of the window, which differs from that of the paper.
_PRINTING = """
const pictures = document.querySelectorAll('.plotly-graph-div');
addEventListener('beforeprint', () => pictures.forEach(p => Plotly.relayout(p, {width: 680})));
addEventListener('afterprint', () => pictures.forEach(
    p => Plotly.relayout(p, {width: null, autosize: true})));
"""
