"""The argument for a file with the latency predictor, corrected by a command's measurements."""

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
        help="write the latency predictor, corrected by the measurements, to a .json file for "
        "--hardware",
    )


def require_recalibrate(arguments: Arguments, n: str) -> None:
    """Refuse a file that cannot be written, or too few subnets for a correction.

    Args:
        arguments: The arguments.
        n: The name of the argument with the number of subnets.

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
    """Write the corrected predictor if there is a file for it; return a line that says so."""
    path = arguments["recalibrate"]
    if path is None:
        return ""
    predictor: Any = measured.recalibrate()  # from a table or a file, so it can be saved
    predictor.save(path)
    done = predictor.metadata["recalibrated"]
    return (
        f"\ncorrected with {done['n_subnets']} measured subnets: scale {done['scale']:.3g}, offset "
        f"{done['offset_ms']:.3g} ms; saved to {path}, for --hardware"
    )
