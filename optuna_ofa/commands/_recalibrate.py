"""The argument of a file for the latency predictor, corrected by what a command measures."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from optuna_ofa.commands._command import Arguments

if TYPE_CHECKING:
    from optuna_ofa.profiling import LatencyReport
    from optuna_ofa.verification import Verification


def add_recalibrate(parser: argparse.ArgumentParser) -> None:
    """Add the file."""
    parser.add_argument(
        "--recalibrate",
        metavar="FILE",
        help="write the latency predictor, corrected by what is measured, to a .json file for "
        "--hardware",
    )


def require_recalibrate(arguments: Arguments, n: str) -> None:
    """Refuse a file that cannot be written, or too few subnets to correct by.

    Args:
        arguments: The arguments.
        n: Which of them is the number of subnets.

    Raises:
        InvalidArgumentError: With the argument.
    """
    from optuna_ofa.commands import _places
    from optuna_ofa.exceptions import InvalidArgumentError
    from optuna_ofa.predictors import LEAST_MEASURED

    path = arguments["recalibrate"]
    _places.require_file(path, "recalibrate", (".json",))
    if path is not None and arguments[n] < LEAST_MEASURED:
        raise InvalidArgumentError(
            f"`{n}` must be {LEAST_MEASURED} or more to correct a predictor, but got "
            f"{arguments[n]!r}."
        )


def save_recalibrated(arguments: Arguments, measured: Verification | LatencyReport) -> str:
    """Write the corrected predictor if there is a file for it; return that in words, on a line."""
    path = arguments["recalibrate"]
    if path is None:
        return ""
    predictor: Any = measured.recalibrate()  # of a table or a file, so it can be saved
    predictor.save(path)
    done = predictor.metadata["recalibrated"]
    return (
        f"\ncorrected by {done['n_subnets']} subnets: scale {done['scale']:.3g}, offset "
        f"{done['offset_ms']:.3g} ms; saved to {path}, which --hardware takes"
    )
