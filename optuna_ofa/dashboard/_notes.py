"""The notes of a study and of its picked trials, in Markdown."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from optuna_ofa.fronts import FrontPoint, Picks, Snapshot, kind_words, values_in_words
from optuna_ofa.problem import Kind
from optuna_ofa.reports import Table, find_sources, pick_note, pick_table
from optuna_ofa.space import AnySubnet, Configuration
from optuna_ofa.visualization import architecture_info

_ABOUT_VALUES = {
    "predicted": "Values are **predicted**, not measured; prediction errors are listed below.",
    "measured": "Values of these are **measured**.",
}
_ABOUT_EXACT = " Exact values are computed from the layers."


def study_note(
    found: Snapshot,
    picks: Picks,
    *,
    kind: Kind,
    moment: datetime.datetime,
    study_id: int,
    has_bare_trials: bool = False,
) -> str:
    """Return the note of a study.

    Args:
        found: The findings of the study.
        picks: Its picks.
        kind: Whether their values are predicted or measured.
        moment: The time of writing.
        study_id: The id of the study with the note.
        has_bare_trials: Whether some of its trials have no parameters.
    """
    shown = {found.study_name: (found, picks)}
    table, note = pick_table(shown), pick_note(shown)
    address = f"/dashboard/studies/{study_id}/trials?numbers="
    rows = [
        (*row[:-1], f"[{row[-1]}]({address}{row[-1]})" if row[-1].isdigit() else row[-1])
        for row in table.rows
    ]
    sources = [f"- **{name}**: {text}" for name, text in find_sources(found)]
    best = "".join(f"{warning}\n\n" for warning in _warnings(found, has_bare_trials))
    return "\n".join(
        [
            f"## The best {found.space.noun}s",
            "",
            _ABOUT_VALUES[kind] + _ABOUT_EXACT * found.space.has_network,
            "",
            table._replace(rows=tuple(rows)).to_markdown(),
            "",
            *([note, ""] if note else []),
            f"{best}Figures are on the page of the study; the notes of these trials describe them.",
            "",
            "## Where the values come from",
            "",
            *sources,
            "",
            f"*Written by optuna_ofa, {moment:%Y-%m-%d %H:%M %Z}.*",
        ]
    )


def _warnings(found: Snapshot, has_bare_trials: bool) -> list[str]:
    """Return warnings about the figures and lists of Optuna Dashboard itself."""
    warnings = []
    if found.problem.constraints:
        warnings.append(
            "Optuna Dashboard's own list of best trials ignores limits, so it may contain other "
            "trials."
        )
    if len(found.kinds) > 1:
        warnings.append(
            "**This study has predicted and measured trials, and Optuna Dashboard's own Pareto "
            "plot, history and list of best trials mix them**: a prediction that is too good hides "
            "measured subnets there. The figure of the front shows the two kinds separately, and "
            "the user attribute `kind` of a trial says which it is."
        )
    if has_bare_trials:
        warnings.append(
            'Only trials that extended the front have parameters (`parameters="front"`), so '
            "Optuna Dashboard's own importances, slices, contours and ranks are of those trials "
            "alone. All trials have the user attribute "
            "`subnet_text`; in Python, the trials of `optuna_ofa.load_study` have all parameters."
        )
    return warnings


def trial_note(point: FrontPoint, names: Sequence[str]) -> str:
    """Return the note of a trial whose subnet was picked.

    Args:
        point: The subnet with its values.
        names: The names of its picks.
    """
    return "\n".join(
        [
            f"## {', '.join(names)}",
            "",
            f"{values_in_words(point.values, point.std, point.metrics)} ({kind_words(point)})",
            "",
            f"`{point.subnet}`",
            "",
            subnet_table(point.subnet).to_markdown(),
        ]
    )


def subnet_table(subnet: AnySubnet) -> Table:
    """Return a row for each layer of a subnet, from input to output, or for each value."""
    if isinstance(subnet, Configuration):
        rows = tuple((name, f"{value}") for name, value in subnet.items())
        return Table(("Parameter", "Value"), rows, (False, False))
    (row,) = architecture_info({"": subnet})
    lines = []
    for box in row.boxes:
        layer = box.layer
        is_block = layer.role == "block"
        lines.append(
            (
                f"{box.stage}" if is_block else "",
                "block" if is_block else layer.role.replace("_", " "),
                f"{layer.kernel}x{layer.kernel}",
                f"{layer.ratio:.3g}" if is_block else "",
                f"{layer.in_channels} → {layer.out_channels}",
                f"{layer.in_size} → {layer.out_size}",
            )
        )
    head = ("Stage", "Layer", "Kernel", "Expand ratio", "Channels", "Size (px)")
    return Table(head, tuple(lines), (False, False, True, True, True, True))
