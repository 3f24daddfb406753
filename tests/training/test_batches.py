"""The position in the data, with the same and with another number of processes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.space import Family
from optuna_ofa.training._batches import Batches, StreamPosition


@pytest.fixture
def numbered() -> TensorDataset:
    """24 images, each of one value, its number."""
    return TensorDataset(
        torch.arange(24.0).reshape(24, 1, 1, 1).expand(24, 1, 8, 8), torch.zeros(24).long()
    )


def streams(
    data: TensorDataset, family: Family, size: int, n: int, position: StreamPosition | None = None
) -> list[Batches]:
    """The stream of each of ``n`` processes with batches of a size."""
    return [
        Batches(
            DataLoader(data, size, sampler=DistributedSampler(data, n, rank)),
            family,
            seed=0,
            rank=rank,
            n_processes=n,
            position=position,
        )
        for rank in range(n)
    ]


def images(made: list[Batches], n_batches: int) -> set[int]:
    """The numbers of the images of all processes' next batches."""
    batches = [next(stream)[0] for _ in range(n_batches) for stream in made]
    return {int(value) for batch in batches for value in batch[:, 0, 0, 0].tolist()}


@pytest.mark.parametrize(
    ("size", "n_steps"), [(2, 6), (4, 3), (12, 1)], ids=["same-whole", "same-share", "larger"]
)
def test_other_processes_get_the_rest_of_the_epoch(
    size: int, n_steps: int, numbered: TensorDataset, family: Family
) -> None:
    two = streams(numbered, family, 4, 2)
    before = images(two, 1) | images(two, 2)
    assert len(before) == 24
    two = streams(numbered, family, 4, 2)
    before = images(two, 1)
    one = streams(numbered, family, size, 1, two[0].position)
    n_skipped = one[0].position.n_images
    assert n_skipped == max(8, size)
    rest = images(one, (24 - n_skipped) // size)
    assert not rest & before
    assert len(rest) == 24 - n_skipped
    assert one[0].position.epoch == 0


def test_an_epoch_that_is_over_is_not_skipped(numbered: TensorDataset, family: Family) -> None:
    position = StreamPosition(epoch=3, n_given=9, n_images=20, n_processes=2)
    (one,) = streams(numbered, family, 8, 1, position)
    assert one.position == StreamPosition(epoch=4)
    (fresh,) = streams(numbered, family, 8, 1, StreamPosition(epoch=4))
    assert torch.equal(next(one)[0], next(fresh)[0])


def test_the_same_processes_continue_with_the_next_batch(
    numbered: TensorDataset, family: Family
) -> None:
    whole = streams(numbered, family, 3, 2)
    images(whole, 3)
    resumed = streams(numbered, family, 3, 2, whole[0].position)
    assert [stream.position for stream in resumed] == [stream.position for stream in whole]
    assert whole[0].position == StreamPosition(0, 3, 9, 2)
    assert images(resumed, 3) == images(whole, 3)


def probabilities(*rows: list[float], dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.tensor(rows, dtype=dtype)


@pytest.mark.parametrize(
    "labels",
    [
        probabilities([0.25, 0.75, 0, 0], [0, 0, 0, 1]),
        probabilities([0.25, 0.75, 0, 0], [0, 0, 0, 1], dtype=torch.float64),
        probabilities([0.3, 0.7, 0, 0], [0, 0, 0, 1], dtype=torch.bfloat16),
    ],
    ids=["float", "double", "bfloat16"],
)
def test_labels_may_be_probabilities(labels: Tensor, family: Family) -> None:
    found = next(Batches([(torch.zeros(2, 1, 8, 8), labels)], family, seed=0))[1]
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, labels.float())


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (probabilities([1, -0.5, 0.5, 0], [0, 0, 0, 1]), "finite and not negative.* from -0.5 to"),
        (probabilities([1, 0, 0, 0], [0, 0, 0, torch.nan]), "finite and not negative.* nan"),
        (probabilities([1, 0, 0, 0], [0, 0, torch.inf, 0]), "finite and not negative.* to inf"),
        (probabilities([1, 0, 0, 0], [0.5, 0.4, 0, 0]), r"sum 1 for each image, .* the sum 0\.9"),
        (probabilities([0, 0, 0, 0], [0, 0, 0, 1]), "sum 1 for each image, .* the sum 0"),
        (probabilities([1, 0, 0], [0, 0, 1]), "one class index an image, or prob.* of 4 classes"),
        (probabilities([1, 0, 0, 0]), r"or probabilities of 4 classes, .* shape \(1, 4\) for 2"),
        (torch.eye(4).long()[:2], r"or probabilities of 4 classes, .*int64 tensor of shape"),
    ],
    ids=["negative", "nan", "infinite", "sum", "zero", "classes", "fewer", "integers"],
)
def test_labels_that_are_no_probabilities_are_refused(
    labels: Tensor, message: str, family: Family
) -> None:
    batches = Batches([(torch.zeros(2, 1, 8, 8), labels)], family, seed=0)
    with pytest.raises(InvalidArgumentError, match=f"`loader` must give .*{message}"):
        next(batches)
