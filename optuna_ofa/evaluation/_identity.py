"""Hashes that identify weights and data in the table of measurements."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import torch
from torch import Tensor, nn


def weights_hash(net: nn.Module) -> str:
    """Return the SHA-256 of a state dict: names, types, shapes and bytes, buffers included.

    It does not depend on the device. A supernet that has run in training mode has new
    batch-normalisation statistics and thus another hash, even though recalibration replaces them.

    Returns:
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for name, tensor in net.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(_bytes(tensor))
    return digest.hexdigest()


def data_hash(batches: Iterable[tuple[Tensor, Tensor]]) -> str:
    """Return the SHA-256 of all images with their labels, independent of order and batching.

    Returns:
        64 hexadecimal digits.
    """
    hashes = (one for images, labels in batches for one in image_hashes(images, labels))
    return joined(hashes)


def image_hashes(images: Tensor, labels: Tensor) -> list[bytes]:
    """Return the SHA-256 of each image with its label."""
    header = f"{images.dtype} {tuple(images.shape[1:])} ".encode()
    rows = zip(images.cpu().contiguous().unbind(), labels.tolist(), strict=True)
    return [
        hashlib.sha256(header + b"%d " % label + _bytes(image)).digest() for image, label in rows
    ]


def joined(hashes: Iterable[bytes]) -> str:
    """Return one SHA-256 of the hashes of images, independent of their order."""
    return hashlib.sha256(b"".join(sorted(hashes))).hexdigest()


def images_hash(images: Tensor) -> str:
    """Return the SHA-256 of images in order, because their order determines calibration batches.

    Returns:
        64 hexadecimal digits.
    """
    header = f"{images.dtype} {tuple(images.shape)}\n".encode()
    return hashlib.sha256(header + _bytes(images)).hexdigest()


_INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def checksum(images: Tensor, labels: Tensor) -> int:
    """Return a checksum of the images of one pass, independent of order and batching.

    It is the sum of the bits of the labels and of the upper left quarter of the images, which a
    flip or another crop changes: much faster than a hash. Checksums of batches are added up.
    """
    return int(checksums(images, labels).sum())


def checksums(images: Tensor, labels: Tensor) -> Tensor:
    """Return the checksum of each image with its label, ``(n,)`` int64."""
    height, width = images.shape[-2:]
    part = images[..., : -(-height // 2), : -(-width // 2)].detach().cpu().contiguous()
    bits = part.view(_INTEGERS[part.element_size()]).long()
    return bits.flatten(1).sum(1) + labels.cpu()


def _bytes(tensor: Tensor) -> bytes:
    """Return the bytes of a tensor of any dtype, including those that numpy lacks."""
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().tobytes()
