"""How a report looks on a screen and on paper."""

from __future__ import annotations

STYLE = """
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
figure { margin: 0; }
.wide { overflow-x: auto; }
.wide td:first-child { white-space: nowrap; }
table { border-collapse: collapse; font-size: 0.92rem; }
th, td { padding: 0.35rem 0.7rem; border-bottom: 1px solid #d8dee6; text-align: left;
         vertical-align: top; }
thead th { border-bottom: 2px solid #0b3d5c; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.sources td:first-child { white-space: nowrap; font-weight: 600; }
.sources td:last-child { overflow-wrap: anywhere; }
.sources thead { display: none; }
dt { font-weight: 600; }
dd { margin: 0 0 0.6rem 1.2rem; max-width: 44rem; }
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

# Pictures have the width of the window, which is not that of the paper.
PRINTING = """
const pictures = document.querySelectorAll('.plotly-graph-div');
addEventListener('beforeprint', () => pictures.forEach(p => Plotly.relayout(p, {width: 680})));
addEventListener('afterprint', () => pictures.forEach(
    p => Plotly.relayout(p, {width: null, autosize: true})));
"""
