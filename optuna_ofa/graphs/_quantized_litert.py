"""Networks as files of LiteRT (``.tflite``), quantised to 8-bit integers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from optuna_ofa._imports import try_import
from optuna_ofa._quiet import silent
from optuna_ofa.graphs._litert_file import compacted
from optuna_ofa.graphs._litert_layers import LITERT, litert_of_net
from optuna_ofa.graphs._quantized_graph import N_QUANTIZED
from optuna_ofa.space import Layer

_quantizer = try_import("ai_edge_quantizer.quantizer", extra="litert")
_recipe = try_import("ai_edge_quantizer.recipe", extra="litert")
_manager = try_import("ai_edge_quantizer.recipe_manager", extra="litert")
_calibrator = try_import("ai_edge_quantizer.calibrator", extra="litert")
_update = try_import("ai_edge_quantizer.utils.qsv_utils", extra="litert")
# packages that write such files
LITERT_INT8 = (*LITERT, try_import("ai_edge_quantizer", extra="litert"))
_SIGNATURE, _INPUT = "serving_default", "args_0"


def quantized_litert_of_net(
    net: nn.Module, layers: Sequence[Layer], images: Tensor, *, batch: int = 1
) -> bytes:
    """Return the file of a network in 8-bit integers, with images in NHWC.

    Weights have a scale per channel; activations, the images and the logits have one scale and
    zero point each, from the smallest and largest values over the images.

    Args:
        net: As in `litert_of_net`.
        layers: As in `litert_of_net`.
        images: ``(n, channels, size, size)`` training images in float32, the first `N_QUANTIZED`
            of which determine the ranges of activations.
        batch: Images at once.

    Raises:
        MissingDependencyError: If ``ai-edge-litert`` or ``ai-edge-quantizer`` is not installed.
    """
    batches = _batches(images[:N_QUANTIZED], batch)
    plain = litert_of_net(net, layers, batch=batch)
    data = [{_INPUT: part.permute(0, 2, 3, 1).contiguous().numpy()} for part in batches]
    with silent():
        quantizer = _quantizer.check().Quantizer(plain, _recipe.check().static_wi8_ai8())
        quantized = quantizer.quantize(_ranges(plain, data))
    return compacted(bytes(quantized.quantized_model))


def _ranges(content: bytes, data: list[dict[str, Any]]) -> Any:
    """Return the ranges of all tensors over the batches of images.

    By default the quantiser takes moving averages of the ranges of single batches, which cut off
    large activations: logits then differ from those in float32 by three times as much.
    """
    calibrate = _calibrator.check()
    recipe = _manager.check().RecipeManager()
    recipe.load_quantization_recipe(_recipe.check().static_wi8_ai8())
    calibrator = calibrate.Calibrator(
        content,
        num_threads=1,
        # the same ranges as in the default mode, in a quarter of the time
        mode=calibrate.CalibrationMode.CALIBRATION_PROFILER_BASED,
        qsv_update_func=_update.check().min_max_update,
    )
    calibrator.calibrate({_SIGNATURE: data}, recipe)
    return calibrator.get_model_qsvs()


def _batches(images: Tensor, batch: int) -> tuple[Tensor, ...]:
    """Return batches of one size: whole ones, or one of repeated images if they are too few."""
    enough = images.repeat(-(-batch // len(images)), 1, 1, 1)
    return torch.split(enough[: len(enough) // batch * batch], batch)
