"""Products of torch in blocks of a few sizes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from optuna_ofa.predictors import _blocks
from optuna_ofa.predictors._blocks import equal_sizes, in_blocks

WEIGHT = torch.rand(40, 24, generator=torch.Generator().manual_seed(1))


def product(x: torch.Tensor) -> torch.Tensor:
    return x @ WEIGHT


def test_the_sizes_give_a_row_the_same_bits_everywhere() -> None:
    sizes = equal_sizes(product, 40)
    rows = np.random.default_rng(0).random((700, 40), dtype=np.float32)
    together = in_blocks(product, rows, sizes)
    for size in sizes:
        for start in (0, 100, 187):
            part = in_blocks(product, rows[start : start + size], sizes)
            assert torch.equal(part, together[start : start + size])


@pytest.mark.parametrize(
    ("first_wrong", "expected"), [(None, (4, 16, 64, 512)), (4, (16, 64, 512)), (64, (16,))]
)
def test_sizes_with_other_bits_are_left_out(
    first_wrong: int | None, expected: tuple[int, ...]
) -> None:
    def numbers(x: torch.Tensor) -> torch.Tensor:
        return x + 1e-6 * (len(x) == first_wrong)

    assert equal_sizes(numbers, 3) == expected


def test_a_difference_in_one_place_is_found() -> None:
    def numbers(x: torch.Tensor) -> torch.Tensor:
        return x + 1e-6 * (torch.arange(len(x)) == 511)[:, None]

    assert equal_sizes(numbers, 3) == (16,)


@pytest.mark.parametrize("n", [0, 1, 3, 4, 5, 63, 200, 500, 1000, 1100, 5000])
def test_every_row_is_in_one_block_of_a_known_size(n: int) -> None:
    sizes, seen = (4, 16, 64, 512), []

    def note(x: torch.Tensor) -> torch.Tensor:
        seen.append(len(x))
        return x + 1

    rows = np.arange(3 * n, dtype=np.float32).reshape(n, 3)
    assert np.array_equal(in_blocks(note, rows, sizes).numpy(), rows + 1)
    assert set(seen) <= set(sizes)
    assert n <= sum(seen) <= max(4, 1.2 * n + 3)


def test_one_row_takes_the_smallest_block_and_many_the_largest() -> None:
    sizes = (4, 16, 64, 512)
    assert _blocks._plan(1, sizes) == (4,)
    assert _blocks._plan(1024, sizes) == (512, 512)
    assert _blocks._plan(1000, sizes) == (512, 512)  # a padded block costs less than seven
