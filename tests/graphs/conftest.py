"""LiteRT's own converter, with which the files that are written here are compared."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from torch import Tensor, nn

from optuna_ofa._quiet import silent

Converter = Callable[[nn.Module, Tensor], bytes]


@pytest.fixture
def convert() -> Iterator[Converter]:
    """Return the converter's file of a network, for images like the example, in NHWC."""
    environment = dict(os.environ)
    with silent():
        jax = pytest.importorskip("jax")
        in_64_bits = jax.config.jax_enable_x64
        converter = pytest.importorskip("litert_torch")
        jax.config.update("jax_enable_x64", True)

        def run(net: nn.Module, example: Tensor) -> bytes:
            with silent():
                channels_last = converter.to_channel_last_io(net, args=[0]).eval()
                images = example.permute(0, 2, 3, 1).contiguous()
                content: bytes = converter.convert(channels_last, (images,)).model_content()
            return content

    yield run
    jax.config.update("jax_enable_x64", in_64_bits)
    for name in os.environ.keys() - environment.keys():
        del os.environ[name]
