"""Output of LiteRT's (TensorFlow Lite's) ``benchmark_model``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from optuna_ofa._files import read_text
from optuna_ofa.profiling.farms._report import UNITS_MS, FarmReport, node_ms, positive_ms
from optuna_ofa.profiling.on_device import NodeTime

_SUMMARY = re.compile(r"Inference timings in (\w+):.*Inference \(avg\): (\S+)")
_RUNS = re.compile(r"\bcount=(\d+) .*\bmin=(\S+) .*\bavg=\S+ std=(\S+)")
_PROFILE = "Operator-wise Profiling Info for Regular Benchmark Runs"
_ORDER, _END = " Run Order ", re.compile("={10,}|Number of nodes executed")


def read_litert(path: Path, max_mb: float) -> FarmReport:
    """Read the text that the tool prints, with ``--enable_op_profiling=true`` or without.

    The latency is the mean of the runs after the warm-up; the tool prints no median.

    Raises:
        ValueError: If the summary is missing.
    """
    text = read_text(path, "folder", max_mb=max_mb)
    summaries = list(_SUMMARY.finditer(text))
    if len(summaries) != 1:
        raise ValueError(
            f"it has {len(summaries)} lines `Inference timings in us: ... Inference (avg): ...` "
            f"instead of one"
        )
    unit, mean = summaries[0].groups()
    if unit not in UNITS_MS:
        raise ValueError(f"its times are in {unit!r}, not in {', '.join(UNITS_MS)}")
    counts = _RUNS.findall(text[: summaries[0].start()])
    n, least, std = counts[-1] if counts else (1, mean, "nan")  # the warm-up is before it
    latency_ms = positive_ms(mean, "Inference (avg)", unit)
    run = list(_nodes(text))
    return FarmReport(
        latency_ms,
        None if std == "nan" else node_ms(std, "std", unit),
        positive_ms(least, "min", unit),
        int(n),
        [run] if run else (),
    )


def _nodes(text: str) -> Iterator[NodeTime]:
    """Yield the operators of the table in the order of their runs."""
    lines = iter(text.partition(_PROFILE)[2].split("\n"))
    for line in lines:
        if _ORDER in line:
            break
    columns = [c.strip() for c in re.findall(r"\[[^]]+\]", next(lines, ""))]
    for line in lines:
        if _END.search(line):
            return
        fields = re.split(r"\t|\s{2,}", line.strip())
        fields = [f.strip() for f in fields if f.strip()]
        if len(fields) < len(columns):
            continue
        row = dict(zip(columns, fields, strict=False))
        name = row["[Name]"]
        calls = node_ms(row.get("[times called]", "1"), name)
        yield NodeTime(name, node_ms(row["[avg ms]"], name) * calls)
