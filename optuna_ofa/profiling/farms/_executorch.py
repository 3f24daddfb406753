"""Tables of ExecuTorch's ``Inspector``, which reads an ETDump."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from optuna_ofa._files import read_text
from optuna_ofa._parsing import parse_csv, parse_json
from optuna_ofa.profiling.farms._report import UNITS_MS, FarmReport, of_runs, positive_ms

_WHOLE = "Method::execute"
_BINARY = (".etdp", ".etdump")


def read_executorch(path: Path, max_mb: float) -> FarmReport:
    """Read the time of the method in ``Inspector(...).to_dataframe().to_csv(...)``.

    Operators that XNNPACK runs have names without the layer, so only whole graphs are read.

    Raises:
        ValueError: If it is not such a table.
    """
    if path.suffix in _BINARY:
        raise ValueError(
            "an ETDump is binary; write its table beside it: `Inspector(etdump_path=...)"
            ".to_dataframe().to_csv(...)` of `executorch.devtools`, and remove the ETDump"
        )
    text = read_text(path, "folder", max_mb=max_mb)
    if "\t" in text.split("\n", 1)[0]:
        text = _commas(text)
    columns, rows = parse_csv(text, path, "folder", max_mb=max_mb)
    average = next((c for c in columns if re.fullmatch(r"avg \(.*\)", c)), None)
    if average is None or "event_name" not in columns:
        raise ValueError("it has no columns `event_name` and `avg (ms)`")
    unit = average[5:-1]
    if unit not in UNITS_MS:
        raise ValueError(f"its times are in {unit!r}, not in {', '.join(UNITS_MS)}")
    found = [row for _, row in rows if row["event_name"] == _WHOLE]
    if len(found) != 1:
        raise ValueError(f"it has {len(found)} events {_WHOLE} instead of one")
    if "raw" not in columns:
        return FarmReport(positive_ms(found[0][average], average, unit))
    return of_runs(positive_ms(v, "raw", unit) for v in parse_json(found[0]["raw"], path, "folder"))


def _commas(text: str) -> str:
    out = io.StringIO()
    csv.writer(out).writerows(csv.reader(io.StringIO(text), delimiter="\t"))
    return out.getvalue()
