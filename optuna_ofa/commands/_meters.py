"""The meters of a verification: what is measured, and with which weights and images."""

from __future__ import annotations

import argparse
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from optuna_ofa.commands._arguments import measurement_settings
from optuna_ofa.commands._command import Arguments
from optuna_ofa.commands._images import read_calibration, read_labelled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from optuna_ofa.evaluation import EvaluationSettings, Runtime
    from optuna_ofa.exceptions import InvalidArgumentError
    from optuna_ofa.profiling import MeasurementSettings
    from optuna_ofa.space import Family
    from optuna_ofa.studies import SubnetStudy
    from optuna_ofa.supernet import Supernet
    from optuna_ofa.verification import Meter, MicroMetric

TOP1, LATENCY = "top1", "latency_ms"
MEMORIES: tuple[MicroMetric, ...] = ("sram_kb", "flash_kb")
_BATCH = 200  # images at once, which does not change an accuracy


def add_meters(parser: argparse.ArgumentParser) -> None:
    """Add what is measured, and what accuracies are measured with."""
    parser.add_argument(
        "--metrics",
        nargs="+",
        choices=(TOP1, LATENCY, *MEMORIES),
        help="what to measure (default: latency_ms, sram_kb and flash_kb where the study has them, "
        "and top1 with --weights or --images)",
    )
    parser.add_argument(
        "--weights",
        help="checkpoint of the supernet; `published` downloads the published one of its family "
        "(default: the packaged one, where the package has one)",
    )
    parser.add_argument(
        "--images",
        metavar="FILE",
        help="test images for top1: a .npz file with the arrays `images` (n, channels, height, "
        "width), normalised, and `labels` (n,) (default: the packaged ones)",
    )
    parser.add_argument(
        "--calibration",
        metavar="FILE",
        help="training images as an array (n, channels, height, width), normalised, in a .npy "
        "file; `none` keeps the statistics of the checkpoint, which fit no subnet (default: the "
        "packaged ones)",
    )


def require_meters(arguments: Arguments) -> None:
    """Refuse arguments that contradict each other, before a study is opened.

    Raises:
        InvalidArgumentError: With the argument.
    """
    from optuna_ofa.exceptions import InvalidArgumentError

    metrics = arguments["metrics"]
    if metrics is None:
        return
    if arguments["images"] is not None and TOP1 not in metrics:
        raise InvalidArgumentError(
            f"`images` must be left out where top1 is not measured, but got {arguments['images']}."
        )
    if arguments["recalibrate"] is not None and LATENCY not in metrics:
        raise InvalidArgumentError(
            f"`recalibrate` must be left out where {LATENCY} is not measured, but got "
            f"{arguments['recalibrate']}."
        )


def meters_of(arguments: Arguments, study: SubnetStudy) -> Mapping[str, Meter]:
    """Return the meters by metric.

    Raises:
        InvalidArgumentError: If weights or images are needed and missing, or not those of the
            study's family.
        FormatError: If a file cannot be read.
        MissingDependencyError: If a package is missing that measures.
    """
    from optuna_ofa.verification import AccuracyMeter, LatencyMeter, MicroMeter

    metrics = _metrics(arguments, study.problem.metrics)
    known = LATENCY in study.problem.metrics
    timing = measurement_settings(arguments, study.problem.facts(LATENCY) if known else {})
    meters: dict[str, Meter] = {LATENCY: LatencyMeter(timing)} if LATENCY in metrics else {}
    supernet, settings = _supernet(arguments, metrics, study.space.family)
    for metric in MEMORIES:
        if metric in metrics:
            meters[metric] = MicroMeter(metric, supernet, settings)
    if supernet is not None and settings is not None and TOP1 in metrics:
        computing = _computing(arguments, metrics, timing, settings)
        meters[TOP1] = AccuracyMeter(supernet, _test(arguments, study.space.family), computing)
    return meters


def _computing(
    arguments: Arguments,
    metrics: Collection[str],
    timing: MeasurementSettings,
    settings: EvaluationSettings,
) -> EvaluationSettings:
    """Return what computes accuracies: that of the latencies, or the file for a microcontroller.

    Raises:
        InvalidArgumentError: If no accuracy is computed in that precision.
        MissingDependencyError: If a package is missing that does.
    """
    from typing import get_args

    from optuna_ofa._rules import shown
    from optuna_ofa.evaluation import Computation, Precision, require_packages
    from optuna_ofa.exceptions import InvalidArgumentError

    precision: Any = arguments["precision"] or ("int8" if _on_board(metrics) else timing.precision)
    if precision not in get_args(Precision):
        raise InvalidArgumentError(
            f"`precision` must be one of {', '.join(get_args(Precision))} where top1 is measured, "
            f"but got {shown(precision)}."
        )
    if precision == "float32":
        return settings
    is_litert = _on_board(metrics) or timing.runtime == "litert"
    runtime: Runtime = "litert" if is_litert else "onnxruntime"
    require_packages(Computation(runtime, precision))
    return settings.computing(runtime, precision)


def _metrics(arguments: Arguments, of_study: Collection[str]) -> list[str]:
    """Return what to measure; if nothing says so, what the study has and needs no images."""
    if arguments["metrics"] is not None:
        return list(arguments["metrics"])
    found = [metric for metric in (LATENCY, *MEMORIES) if metric in of_study]
    with_images = arguments["weights"] is not None or arguments["images"] is not None
    return [TOP1, *found] if with_images or not found else found


def _on_board(metrics: Collection[str]) -> bool:
    """Whether the networks are files for a microcontroller."""
    return any(metric in metrics for metric in MEMORIES)


def _supernet(
    arguments: Arguments, metrics: Collection[str], family: Family
) -> tuple[Supernet | None, EvaluationSettings | None]:
    """Return the supernet with settings that calibrate it; neither where memories need none."""
    from optuna_ofa._progress import stage
    from optuna_ofa.data import is_packaged, packaged_supernet
    from optuna_ofa.evaluation import EvaluationSettings
    from optuna_ofa.supernet import load_supernet

    if TOP1 not in metrics and not _on_board(metrics):
        return None, None
    weights, file = arguments["weights"], arguments["calibration"]
    packaged = is_packaged(family)
    if weights is None and not packaged:
        if TOP1 in metrics:
            raise _missing("weights", "a checkpoint of the supernet", family)
        return None, None  # the memory of random weights is the same
    if file is None and not packaged:
        raise _missing("calibration", "a .npy file with training images", family)
    with stage("loading the weights"):
        if weights is None:
            supernet = packaged_supernet(family.name)
        else:
            supernet = load_supernet(family, weights=weights).eval()
    return supernet, EvaluationSettings(calibration=_calibration(file, family))


def _calibration(file: str | None, family: Family) -> Tensor | None:
    from optuna_ofa.data import packaged_images

    if file is None:
        return packaged_images(family.name).train.tensors[0]
    return read_calibration(file)


def _test(arguments: Arguments, family: Family) -> list[tuple[Tensor, Tensor]]:
    """Return batches of test images and labels."""
    from optuna_ofa.data import is_packaged, packaged_images

    file = arguments["images"]
    if file is None and not is_packaged(family):
        raise _missing("images", "a .npz file with test images and labels", family)
    if file is None:
        images, labels = packaged_images(family.name).test.tensors
    else:
        images, labels = read_labelled(file, "images")
    starts = range(0, len(images), _BATCH)
    return [(images[i : i + _BATCH], labels[i : i + _BATCH]) for i in starts]


def _missing(argument: str, what: str, family: Family) -> InvalidArgumentError:
    from optuna_ofa.exceptions import InvalidArgumentError

    return InvalidArgumentError(
        f"`{argument}` must be {what}: the package has none for {family.name}."
    )
