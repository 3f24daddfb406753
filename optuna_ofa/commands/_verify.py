"""``optuna-ofa verify``."""

from __future__ import annotations

import argparse

from optuna_ofa.commands._arguments import add_settings, add_study
from optuna_ofa.commands._command import Arguments, Command, Output


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_study(parser, required=True)
    parser.add_argument(
        "--points", type=int, default=12, help="subnets, far from each other (default: 12)"
    )
    add_settings(parser)
    parser.add_argument("--plot", help="draw both: a file that ends in .html, .png or .svg")


def _run(arguments: Arguments) -> Output:
    from optuna_ofa.commands import _studies
    from optuna_ofa.verification import LatencyMeter

    settings = ("runtime", "threads", "batch", "precision", "device", "pin", "n_rounds")
    meter = LatencyMeter(**{name: arguments[name] for name in settings})
    found = _studies.open_study(arguments).verify(
        {"latency_ms": meter}, points=arguments["points"]
    )
    if arguments["plot"]:
        _studies.save(found.plot(), arguments["plot"])
    data = {
        "errors": {metric: of._asdict() for metric, of in found.errors.items()},
        "points": [
            {
                "predicted": dict(point.predicted),
                "predicted_std": dict(point.predicted_std),
                "measured": dict(point.measured),
                "measured_std": dict(point.measured_std),
                "trial_number": point.trial_number,
                "subnet": point.subnet.to_dict(),
            }
            for point in found
        ],
        "failures": [
            {"subnet": subnet.to_dict(), "reason": why} for subnet, why in found.failures.items()
        ],
    }
    return Output(str(found), data)


VERIFY = Command(
    "verify",
    "measure the latency of subnets of a predicted front on this device",
    """\
  twelve subnets along the front, predicted beside measured:
    optuna-ofa verify --storage sqlite:///nas.db --runtime onnxruntime
  accuracies need the weights and images: `study.verify` in a script measures both, and then the
  subnets become measured trials
""",
    _add_arguments,
    _run,
)
