"""What loaders give, and its size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from optuna_ofa import EvaluationSettings, evaluate
from optuna_ofa.evaluation._images import batches, first_images
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.space import Family, SearchSpace
from optuna_ofa.supernet import Supernet, resize_images

LABELS = torch.zeros(2, dtype=torch.int64)
IMAGES = torch.zeros(2, 3, 8, 8)


def test_images_of_the_size_are_not_touched() -> None:
    images = torch.randn(2, 3, 24, 24)
    assert resize_images(images, 24) is images


def test_other_sizes_are_averaged_over_what_a_pixel_covers() -> None:
    images = torch.zeros(1, 1, 64, 64)
    images[..., ::2, :] = 1  # stripes, which a resize without antialiasing would alias
    small = resize_images(images, 16)
    assert small.shape == (1, 1, 16, 16)
    torch.testing.assert_close(small[..., 2:-2, :], torch.full((1, 1, 12, 16), 0.5))
    assert resize_images(torch.ones(1, 3, 10, 20), 16).shape == (1, 3, 16, 16)


@pytest.mark.parametrize(
    ("loader", "message"),
    [
        pytest.param([], "`loader` must give at least one image, but is empty", id="empty"),
        pytest.param([(IMAGES[:0], LABELS[:0])], "but is empty", id="empty-batch"),
        pytest.param([IMAGES], "pairs of tensors.*batch 0 is a torch.float32 tensor", id="images"),
        pytest.param([(IMAGES, LABELS, LABELS)], "batch 0 is a tuple of 3", id="three"),
        pytest.param([{"image": IMAGES}], "batch 0 is a dict", id="dict"),
        pytest.param([(IMAGES, LABELS), (IMAGES, [0, 0])], "batch 1 is a tuple of 2", id="list"),
        pytest.param(
            [(IMAGES[:, :1], LABELS)],
            r"shape \(n, 3, height, width\).*\(2, 1, 8, 8\)",
            id="channels",
        ),
        pytest.param([(IMAGES[0], LABELS)], r"batch 0 has .* shape \(3, 8, 8\)", id="no-batch"),
        pytest.param([(IMAGES.byte(), LABELS)], "floating-point.*torch.uint8", id="bytes"),
        pytest.param([(IMAGES, LABELS[:1])], "one class index an image", id="fewer-labels"),
        pytest.param([(IMAGES, torch.zeros(2, 4))], "one class index an image", id="one-hot"),
        pytest.param([(IMAGES, LABELS + 4)], "labels from 0 to 3.*from 4 to 4", id="too-large"),
        pytest.param([(IMAGES, LABELS - 1)], "labels from 0 to 3.*from -1 to -1", id="negative"),
        pytest.param(7, "every time it is read.*but got int", id="number"),
        pytest.param(lambda r: r, "every time it is read.*but got int", id="function"),
        pytest.param(iter([(IMAGES, LABELS)]), "but got list_iterator", id="iterator"),
    ],
)
def test_bad_loaders(loader: Any, message: str, family: Family) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        list(batches(loader, family, 16))


def test_bad_loaders_are_refused_by_evaluate(supernet: Supernet, space: SearchSpace) -> None:
    with pytest.raises(InvalidArgumentError, match="labels from 0 to 3"):
        evaluate(
            supernet,
            space.smallest(),
            [(IMAGES, LABELS + 4)],
            EvaluationSettings(calibration=IMAGES),
        )


def test_the_first_images_are_taken_and_no_more_batches(family: Family) -> None:
    n_read = 0

    class Counted:
        def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
            nonlocal n_read
            for i in range(10):
                n_read += 1
                yield torch.full((4, 3, 8, 8), float(i)), torch.zeros(4, dtype=torch.int64)

    images = first_images(Counted(), family, 16, 6)
    assert images[:, 0, 0, 0].tolist() == [0, 0, 0, 0, 1, 1]
    assert n_read == 2
    assert len(first_images(Counted(), family, 16, 1000)) == 40


def test_a_loader_can_be_a_function_of_the_resolution(
    supernet: Supernet, space: SearchSpace, make_loader: Callable[..., DataLoader]
) -> None:
    asked: list[int] = []

    def cropped(resolution: int) -> DataLoader:
        asked.append(resolution)
        images, labels = make_loader(40).dataset.tensors
        cut = images[..., :resolution, :resolution]
        return DataLoader(TensorDataset(cut, labels), batch_size=20)

    subnets = [space.subnet(resolution=r) for r in (16, 24)]
    by_function = evaluate(supernet, subnets, cropped, EvaluationSettings(calibration=cropped))
    assert set(asked) == {16, 24}
    assert by_function.setup["resize"] == "loader"
    for i, subnet in enumerate(subnets):
        loader = cropped(subnet.resolution)
        alone = evaluate(supernet, subnet, loader, EvaluationSettings(calibration=loader))
        assert alone.setup["resize"] == "bilinear"
        assert alone.top1[0] == by_function.top1[i]
