"""What loaders give, and its size."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from optuna_ofa import EvaluationSettings, evaluate
from optuna_ofa.evaluation import take_images
from optuna_ofa.evaluation._images import batches
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
        pytest.param(
            [(IMAGES, LABELS), (IMAGES[:0], LABELS[:0])],
            "at least one image, but batch 1 has none",
            id="empty-batch",
        ),
        pytest.param([IMAGES], "pairs of tensors.*batch 0 is a torch.float32 tensor", id="images"),
        pytest.param([(IMAGES, LABELS, LABELS)], "batch 0 is a tuple of 3", id="three"),
        pytest.param([{"image": IMAGES}], "batch 0 is a dict", id="dict"),
        pytest.param([(IMAGES, LABELS), (IMAGES, [0, 0])], "batch 1 is a tuple of 2", id="list"),
        pytest.param(
            [(IMAGES[:, :1], LABELS)], r"shape \(n, 3, size, size\).*\(2, 1, 8, 8\)", id="channels"
        ),
        pytest.param([(IMAGES[0], LABELS)], r"batch 0 has .* shape \(3, 8, 8\)", id="no-batch"),
        pytest.param([(IMAGES.byte(), LABELS)], r"torch\.float32.*has a torch\.uint8", id="bytes"),
        pytest.param([(IMAGES.double(), LABELS)], r"`\.float\(\)`.*torch\.float64", id="double"),
        pytest.param([(IMAGES.half(), LABELS)], r"torch\.float32.*torch\.float16", id="half"),
        pytest.param([(IMAGES[..., 1:], LABELS)], "square images.*8 x 7 pixels", id="oblong"),
        pytest.param([(IMAGES / 0, LABELS)], "finite pixels, but batch 0 has some", id="nan"),
        pytest.param([(IMAGES + math.inf, LABELS)], "finite pixels", id="infinite"),
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


class TestTakeImages:
    def test_the_first_are_taken_and_no_more_batches_read(self) -> None:
        n_read = 0

        class Counted:
            def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
                nonlocal n_read
                for i in range(10):
                    n_read += 1
                    yield torch.full((4, 3, 8, 8), float(i)), torch.zeros(4, dtype=torch.int64)

        images = take_images(Counted(), 6)
        assert images[:, 0, 0, 0].tolist() == [0, 0, 0, 0, 1, 1]
        assert n_read == 2
        assert len(take_images(Counted(), 1000)) == 40

    def test_batches_may_have_no_labels(self) -> None:
        assert take_images([IMAGES, IMAGES], 3).shape == (3, 3, 8, 8)

    @pytest.mark.parametrize("generator", [None, torch.Generator()], ids=["global", "own"])
    def test_a_loader_that_shuffles_gives_the_same_and_stays_as_it_was(
        self, generator: torch.Generator | None
    ) -> None:
        images = torch.arange(40.0).reshape(40, 1, 1, 1)
        loader = DataLoader(
            TensorDataset(images, torch.zeros(40)), batch_size=7, shuffle=True, generator=generator
        )
        state = torch.get_rng_state()
        own = None if generator is None else generator.get_state()
        taken = take_images(loader, 20)
        assert torch.equal(torch.get_rng_state(), state)
        assert own is None or torch.equal(generator.get_state(), own)  # type: ignore[union-attr]
        torch.rand(1)
        list(loader)
        assert torch.equal(take_images(loader, 20), taken)
        assert not torch.equal(taken.flatten(), torch.arange(20.0))
        assert not torch.equal(take_images(loader, 20, seed=1), taken)

    @pytest.mark.parametrize(
        ("loader", "n", "message"),
        [
            pytest.param([IMAGES], 0, "`n` must be .* at least 1, but got 0", id="n"),
            pytest.param(IMAGES, 5, "`loader` must be batches of images", id="tensor"),
            pytest.param(7, 5, "`loader` must be batches of images", id="number"),
            pytest.param([], 5, "`loader` must give at least one image", id="empty"),
            pytest.param(["a"], 5, "tensors of images, .* batch 0 has a str", id="text"),
            pytest.param([IMAGES.double()], 5, "float32.*batch 0 has a torch.float64", id="double"),
            pytest.param([IMAGES, IMAGES[..., 1:, 1:]], 5, "images of one size", id="sizes"),
        ],
    )
    def test_bad_arguments(self, loader: Any, n: int, message: str) -> None:
        with pytest.raises(InvalidArgumentError, match=message):
            take_images(loader, n)


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
    assert set(asked) == {16, 24, 32}  # and the largest, which identifies the images
    assert by_function.setup["resize"] == "loader"
    for i, subnet in enumerate(subnets):
        loader = cropped(subnet.resolution)
        alone = evaluate(supernet, subnet, loader, EvaluationSettings(calibration=loader))
        assert alone.setup["resize"] == "bilinear"
        assert alone.top1[0] == by_function.top1[i]
