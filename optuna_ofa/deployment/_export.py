"""Exporting a subnet for the runtime that will run it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from torch import Tensor, nn

from optuna_ofa._arguments import AnyPath, Positive, checked
from optuna_ofa._writing import require_place
from optuna_ofa.deployment._deployable import Deployable, Metadata, calibrated_net
from optuna_ofa.deployment._figures import KnownValue
from optuna_ofa.deployment._formats import FORMATS
from optuna_ofa.deployment._metadata import build_metadata, metadata_path, write_export
from optuna_ofa.evaluation import Calibration, Loader
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.graphs import OPSET, require_opset
from optuna_ofa.space import Subnet
from optuna_ofa.supernet import Supernet, require_finite, resize_images


@checked
def export(
    net: Supernet | nn.Module,
    subnet: Subnet,
    path: AnyPath,
    *,
    format: str,
    calibration: Loader | Tensor | None,
    n_calibration: Positive = 2000,
    batch: Positive | None = 1,
    opset: int | None = None,
    figures: Iterable[KnownValue] = (),
) -> Metadata:
    """Write a subnet in a format, with its own batch-normalisation statistics.

    The network is extracted, recalibrated at the resolution of the subnet, and written in float32.
    Metadata are written beside it, to ``<path>.json``: subnet, figures, calibration, versions, and
    the SHA-256 of every file. Files are written whole or not at all, the metadata last.

    Args:
        net: A supernet, or a plain network of the subnet, such as a fine-tuned one. It is not
            modified.
        subnet: The subnet.
        path: The file to write, or the folder for ``"ofa"``. Its parent must exist, and a file
            must have the extension of the format, or none.
        format: ``"pytorch"`` (state dict as safetensors), ``"torch_export"`` (``.pt2``),
            ``"onnx"``, ``"onnx_int8"`` (quantised statically, which costs accuracy and needs
            ``calibration``), ``"executorch"`` (lowered to XNNPACK, ``.pte``), ``"litert"``
            (``.tflite``, which accepts images in NHWC), ``"litert_int8"`` (the same in 8-bit
            integers, images and logits too, which needs ``calibration``), ``"c_array"`` (that file
            in a C header, ``.h``, for TensorFlow Lite Micro) or ``"ofa"`` (the ``net.config``,
            ``run.config`` and ``init`` of the ``ofa`` package, where it has such networks).
        calibration: Images for the statistics, as in `evaluate`. None keeps those of ``net``,
            which are valid for a plain network but not for any subnet of a supernet.
        n_calibration: Number of images to use, from the first on.
        batch: Images at once; None for any number, which ExecuTorch and LiteRT do not support;
            ``"c_array"`` always has one. Formats without a graph (``"pytorch"``, ``"ofa"``) always
            accept any number.
        opset: Version of ONNX's operators, 13 or later, for ``"onnx"`` and ``"onnx_int8"``. None
            takes that of the graphs that `measure` measures, 17 with IR version 8, so that a
            runtime that runs those also runs the export.
        figures: Values of the subnet; `figures_of` takes them from a point of a front. Values for
            another precision, runtime, resolution or batch size than the file's are stored under
            ``figures_of_others`` in the metadata, with the differences, not under ``figures``.

    Returns:
        The metadata.

    Raises:
        InvalidArgumentError: If an argument breaks a rule, or weights or calibration images are
            not finite.
        InvalidSubnetError: If the subnet is of another family than the supernet.
        MissingDependencyError: If a package that writes it is not installed; names the extra.
    """
    if format not in FORMATS:
        raise InvalidArgumentError(
            f"`format` must be one of {', '.join(FORMATS)}, but got {format!r}."
        )
    form = FORMATS[format]
    _check_batch(format, batch)
    if calibration is None and form.needs_images:
        raise InvalidArgumentError(f"`calibration` must be images for {format!r}, but got None.")
    lack = form.lacks(subnet)
    if lack is not None:
        raise InvalidArgumentError(
            f"`format` must not be {format!r} for a subnet of {subnet.family.name}, because the "
            f"`{format}` package has no {lack}."
        )
    for need in form.needs:
        need.require()
    if opset is not None:
        _check_opset(format, opset)
    figures = _checked_figures(figures, subnet)
    path = require_place(path, folder=form.is_folder)
    require_place(metadata_path(path))
    rule = form.wrong_ending(path)
    if rule is not None:
        raise InvalidArgumentError(f"`path` must {rule}, for {format!r}, but got {str(path)!r}.")
    require_finite(net, "net")
    images = Calibration(calibration, subnet.family, n_calibration)
    plain = calibrated_net(net, subnet, images).cpu().float()
    shown = images(subnet.resolution) if form.needs_images else None
    if shown is not None:
        shown = resize_images(shown, subnet.resolution).float()
    number = None if form.batch == "any" else batch
    deployable = Deployable(plain, subnet, number, shown, opset or OPSET, path.stem)
    content = build_metadata(format, form, deployable, figures, images.setup)
    made = form.make(deployable)
    return write_export(path, {**content, **form.describe(made)}, made)


def _checked_figures(figures: Iterable[KnownValue], subnet: Subnet) -> tuple[KnownValue, ...]:
    given = tuple(figures)
    for figure in given:
        if figure.subnet is not None and not _same_but_size(figure.subnet, subnet):
            raise InvalidArgumentError(
                f"`figures` must be of the exported subnet, {subnet}, but {figure.metric} is of "
                f"{figure.subnet}."
            )
    return given


def _same_but_size(a: Subnet, b: Subnet) -> bool:
    return a.family == b.family and replace(a, resolution=b.resolution) == b


def _check_opset(format: str, opset: int) -> None:
    if not format.startswith("onnx"):
        raise InvalidArgumentError(f"`opset` must be None for {format!r}, but got {opset!r}.")
    require_opset(opset)


def _check_batch(format: str, batch: int | None) -> None:
    allowed = FORMATS[format].batch
    if batch is None and allowed == "fixed":
        raise InvalidArgumentError(f"`batch` must be a number for {format!r}, but got None.")
    if batch != 1 and allowed == "one":
        raise InvalidArgumentError(f"`batch` must be 1 for {format!r}, but got {batch}.")
