"""Networks of torchvision and timm without either: their keys, shapes, and logits of given weights.

Run with both installed, this file writes ``networks.json.gz`` anew. torchvision 0.28.0 and timm
1.0.31 wrote the one here.
"""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

FILE = Path(__file__).with_name("networks.json.gz")
# pixels of the image whose logits are kept; even maps throughout would need more than 32
SIZE = 64
NAMES = {
    "torchvision": (
        *("mobilenet_v2", "mobilenet_v3_large", "mnasnet1_0", "efficientnet_b0", "resnet50"),
        "narrow",
    ),
    "timm": (
        *("tf_efficientnet_lite0", "tf_efficientnet_lite1", "tf_efficientnet_lite2"),
        *("mobilenetv2_100", "mobilenetv3_large_100", "mnasnet_100", "efficientnet_b0", "resnet50"),
        "mobilenetv2_050",
    ),
}
# expand ratio, channels, blocks and stride of each stage of a MobileNetV2 of a user's own
NARROW = [[1, 16, 1, 1], [4, 24, 3, 2], [4, 40, 2, 2], [4, 96, 2, 2]]


def networks() -> dict[str, Any]:
    """The networks by ``"timm mnasnet_100"``: ``shapes`` of all tensors, and ``logits``."""
    found: dict[str, Any] = json.loads(gzip.decompress(FILE.read_bytes()))
    return found


def weights(shapes: Mapping[str, list[int]]) -> dict[str, Tensor]:
    """Float64 weights for these keys and shapes, the same on every machine."""
    return {key: _tensor(i, key, shapes) for i, key in enumerate(shapes)}


def image() -> Tensor:
    """The image, ``(1, 3, 64, 64)``."""
    return _waves(0, [1, 3, SIZE, SIZE])


def _waves(i: int, shape: list[int]) -> Tensor:
    steps = torch.arange(math.prod(shape), dtype=torch.float64)
    return torch.sin((steps + 1) * (12.9898 + i)).reshape(shape)


def _tensor(i: int, key: str, shapes: Mapping[str, list[int]]) -> Tensor:
    module, _, name = key.rpartition(".")
    wave = _waves(i, shapes[key])
    if name == "num_batches_tracked":
        return torch.tensor(7)
    if name == "running_var" or (name == "weight" and f"{module}.running_var" in shapes):
        return 1 + wave / 4
    if name == "weight":
        return wave * math.sqrt(12 / math.prod(shapes[key][1:]))
    return wave / 10


def _described(package: str, name: str) -> dict[str, Any]:
    import timm
    import torchvision

    create = timm.create_model if package == "timm" else torchvision.models.get_model
    if name == "narrow":
        net = torchvision.models.mobilenet_v2(
            width_mult=0.5, inverted_residual_setting=NARROW, num_classes=12
        )
    else:
        net = create(name)
    net = net.double().eval()
    shapes = {key: list(tensor.shape) for key, tensor in net.state_dict().items()}
    given = weights(shapes)
    with torch.no_grad():
        for key, tensor in net.state_dict().items():
            tensor.copy_(given[key])
        logits = net(image())[0]
    return {"shapes": shapes, "logits": logits[:20].tolist(), "sum": float(logits.abs().sum())}


def _write() -> None:
    found = {
        f"{package} {name}": _described(package, name)
        for package, names in NAMES.items()
        for name in names
    }
    content = json.dumps(found, separators=(",", ":")).encode()
    FILE.write_bytes(gzip.compress(content, 9, mtime=0))


if __name__ == "__main__":
    _write()
