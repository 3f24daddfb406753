"""The command that verifies a predicted front."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from optuna_ofa.commands._arguments import add_plot, add_settings, add_study
from optuna_ofa.commands._command import Arguments, Command, Output, load
from optuna_ofa.commands._meters import add_meters, meters_of, require_meters
from optuna_ofa.commands._parser import positive
from optuna_ofa.commands._recalibrate import add_recalibrate, require_recalibrate, save_recalibrated

if TYPE_CHECKING:
    from optuna_ofa.verification import Verification


def _add_verify(parser: argparse.ArgumentParser) -> None:
    add_study(parser)
    parser.add_argument(
        "--points", type=positive, default=12, help="subnets along the front (default: 12)"
    )
    add_meters(parser)
    add_settings(parser, of_table=True)
    add_recalibrate(parser)
    add_plot(parser, "predicted and measured values")


def _run_verify(arguments: Arguments) -> Output:
    from optuna_ofa.commands import _places, _studies

    _places.require_picture(arguments["plot"])
    require_recalibrate(arguments, "points")
    require_meters(arguments)
    load("verification")
    study = _studies.open_study(arguments)
    meters = meters_of(arguments, study)
    plotted = _plotted(arguments, study.problem.objectives, meters)
    found = study.verify(meters, points=arguments["points"])
    if arguments["plot"]:
        from optuna_ofa.visualization import plot_verification

        _places.save(plot_verification(found, metrics=plotted), arguments["plot"])
    saved = save_recalibrated(arguments, found)
    return Output(f"{found}{saved}", {**_data(found), "recalibrated": arguments["recalibrate"]})


def _plotted(
    arguments: Arguments, objectives: Sequence[str], measured: Collection[str]
) -> tuple[str, str] | None:
    """Return the two objectives of the figure, measured ones first; None if there is no figure.

    Raises:
        InvalidArgumentError: If the study has one objective.
    """
    from optuna_ofa.exceptions import InvalidArgumentError

    if arguments["plot"] is None:
        return None
    if len(objectives) < 2:
        raise InvalidArgumentError(
            f"`plot` must be left out for a study of one objective, {objectives[0]}, but got "
            f"{arguments['plot']}."
        )
    first, second = sorted(objectives, key=lambda metric: metric not in measured)[:2]
    return first, second


def _data(found: Verification) -> dict[str, Any]:
    """Return a verification for machines (JSON)."""
    return {
        "errors": {
            metric: {
                **of._asdict(),
                "n_known": found.n_known(metric),
                "n_overestimated": found.n_overestimated(metric),
            }
            for metric, of in found.errors.items()
        },
        "notes": list(found.notes),
        "remedies": list(found.remedies),
        "points": [
            {
                "predicted": dict(point.predicted),
                "predicted_std": dict(point.predicted_std),
                "measured": dict(point.measured),
                "measured_std": dict(point.measured_std),
                "n_images": dict(point.n_images),
                "extrapolated": list(point.extrapolated or ()),
                "trial_number": point.trial_number,
                "subnet": point.subnet.to_dict(),
            }
            for point in found
        ],
        "failures": [
            {"subnet": subnet.to_dict(), "reason": why} for subnet, why in found.failures.items()
        ],
    }


def _kept(arguments: Arguments) -> str:
    from optuna_ofa._urls import shown_url

    place = shown_url(arguments["storage"])
    return f"what was measured is in {place}; the same command measures the rest"


VERIFY = Command(
    "verify",
    "measure subnets of a predicted front: latency, accuracy, memory of a microcontroller",
    """\
  twelve subnets along the front, predicted beside measured:
    optuna-ofa verify --storage sqlite:///nas.db --runtime onnxruntime
  a predictor corrected by the measurements, and a search with it:
    optuna-ofa verify --storage sqlite:///nas.db --recalibrate here.json
    optuna-ofa search --supernet ofa_mbv3_w1.0 --hardware here.json --study here \\
        --storage sqlite:///nas.db
  accuracies need the weights and images; where all objectives are measured or exact, the subnets
  become measured trials. A supernet of the package has both:
    optuna-ofa verify --metrics top1 latency_ms
    optuna-ofa verify --weights mine.pth --images test.npz --calibration training.npy
  the file for a microcontroller: its accuracy in 8-bit integers, its arena and its size:
    optuna-ofa verify --metrics top1 sram_kb flash_kb
""",
    _add_verify,
    _run_verify,
    _kept,
)
