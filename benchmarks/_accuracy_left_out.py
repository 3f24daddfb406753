"""Accuracies of whole resolutions and searches that were left out, beside what is to be reached."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optuna_ofa import SearchSpace

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
KINDS = ("sparse_gaussian_process", "gaussian_process", "ridge")
# fitted to some resolutions, predicted at another; without the searches at 224 pixels if None
PAIRS = (((128, 192), 160), ((160, 192), 128), ((160, 224), 192), ((192, 224), 128))
BARS = {
    "128 pixels": "coverage >= 80",
    "160 pixels": "RMSE <= .26, |bias| <= .15",
    "192 pixels": "RMSE <= .26, |bias| <= .15",
    "mbnv3": "RMSE .059, coverage 92.6: a Gaussian process on other searches",
    "random": "RMSE <= .24 below 224, coverage 85 to 95",
}


def compare_left_out(data: Path, kinds: list[str]) -> None:
    """Print a line for each split and kind of model."""
    sys.path.insert(0, str(EXAMPLES))
    import fit_default_accuracy as script

    space = SearchSpace(script.FAMILY)
    below = data / "ofa_mbv3_w1.0_resolutions" / "top1_128_160_192.csv"
    rows = script.read(data / "ofa_mbv3_w1.0_measured", below, space)
    print("\nleft out whole: tau, RMSE, bias (points), in the 90 % interval (%), rows")
    for kind in kinds:
        print(kind)
        for found in script.evaluate(space, rows, kind):
            _print(found["left_out"], found)
        for fitted, asked in PAIRS:
            _print(
                f"{fitted[0]} and {fitted[1]} -> {asked}", _pair(script, rows, kind, fitted, asked)
            )


def _pair(script: Any, rows: Any, kind: str, fitted: tuple[int, int], asked: int) -> dict[str, Any]:
    """Fit to the rows of two resolutions and predict those of a third."""
    space = SearchSpace(script.FAMILY)
    offsets = script.fit(space, rows, "ridge").metadata["groups"]
    top1 = rows.top1 - [offsets[name]["offset"] for name in rows.group]
    predictor = script.fit(space, rows.select(np.isin(rows.matrix[:, 0], fitted)), kind)
    which: NDArray[np.bool_] = rows.matrix[:, 0] == asked
    score: dict[str, Any] = script.score(predictor, rows.matrix[which], top1[which])
    return score


def _print(name: str, found: dict[str, Any]) -> None:
    bar = next((text for start, text in BARS.items() if name.startswith(start)), "")
    print(
        f"  {name:48} {found['tau']:.3f} {found['rmse']:.3f} {found['bias']:+.3f} "
        f"{100 * found['coverage_90']:5.1f} {found['n']:5}  {bar}",
        flush=True,
    )
