"""Networks as files of LiteRT (``.tflite``), in float32."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from types import ModuleType

import torch
from torch import Tensor, nn

from optuna_ofa._imports import try_import
from optuna_ofa._quiet import silent

_converter = try_import("litert_torch", extra="litert")
# packages that write such files
LITERT = (_converter,)


def litert_of_net(net: nn.Module, example: Tensor) -> bytes:
    """Return the file of a network, with images, and feature maps that it returns, in NHWC.

    Args:
        net: The network in evaluation mode, without batch normalisation. It is not modified.
        example: Images ``(batch, channels, size, size)``, float32; the file accepts
            ``(batch, size, size, channels)`` of the same batch alone, by the name ``args_0``, and
            returns ``output_0``.

    Raises:
        MissingDependencyError: If ``litert-torch`` is not installed.
    """
    with _converting() as converter:
        with torch.no_grad():
            returns_maps = net(example).ndim == 4
        outputs = [0] if returns_maps else []
        channels_last = converter.to_channel_last_io(net, args=[0], outputs=outputs).eval()
        images = example.permute(0, 2, 3, 1).contiguous()
        content: bytes = converter.convert(channels_last, (images,)).model_content()
        return content


@contextlib.contextmanager
def _converting() -> Iterator[ModuleType]:
    """Yield the converter, silent, and undo what its import sets for the whole process.

    It makes JAX compute in 64 bits, JAX sets environment variables, and absl handles all logs.
    """
    environment = dict(os.environ)
    with silent():
        jax = try_import("jax", extra="litert").check()
        before = jax.config.jax_enable_x64
        try:
            converter = _converter.check()
            jax.config.update("jax_enable_x64", True)
            yield converter
        finally:
            jax.config.update("jax_enable_x64", before)
            for name in os.environ.keys() - environment.keys():
                del os.environ[name]
