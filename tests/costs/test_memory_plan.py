"""The plan of buffers, against examples by hand and a planner for one network at a time."""

from __future__ import annotations

import numpy as np
import pytest

from optuna_ofa.costs._memory_plan import planned_bytes

Buffer = tuple[int, int, int]  # size, first, last


def plan(buffers: list[Buffer], ranks: list[int] | None = None) -> int:
    sizes, first, last = (np.array([column]) for column in zip(*buffers, strict=True))
    order = np.array([ranks or list(range(len(buffers)))])
    return int(planned_bytes(sizes, first, last, order)[0])


@pytest.mark.parametrize(
    ("buffers", "expected"),
    [
        pytest.param([(64, 0, 3)], 64, id="one"),
        pytest.param([(64, 0, 1), (32, 1, 2)], 96, id="two at the same time"),
        pytest.param([(64, 0, 1), (32, 2, 3)], 64, id="two one after the other"),
        pytest.param([(64, 0, 1), (48, 1, 2), (64, 2, 3)], 112, id="chain that takes turns"),
        pytest.param([(64, 0, 3), (48, 1, 2), (32, 2, 3)], 144, id="shortcut is kept"),
        # 32 ends up above both: the gap below the 48 that 64 leaves is not its time
        pytest.param([(16, 0, 1), (64, 1, 2), (48, 2, 3), (32, 0, 3)], 144, id="gap too small"),
    ],
)
def test_buffers_are_planned_as_by_hand(buffers: list[Buffer], expected: int) -> None:
    assert plan(buffers) == expected


def test_among_equal_sizes_the_last_added_is_placed_first() -> None:
    # A and C never meet, B meets both and D meets C: with C first, D is not above B
    buffers = [(32, 0, 1), (32, 1, 2), (32, 2, 3), (16, 3, 4)]
    assert plan(buffers) == one_plan(buffers, [0, 1, 2, 3]) == 64
    many = [(32, 0, 2), (32, 2, 4), (32, 4, 6), (48, 0, 1), (16, 1, 6)]
    for ranks in ([0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 0, 1, 4, 3]):
        assert plan(many, ranks) == one_plan(many, ranks)


def one_plan(buffers: list[Buffer], ranks: list[int]) -> int:
    """What ``greedy_memory_planner.cc`` does, buffer by buffer over a list sorted by offset."""
    order = sorted(range(len(buffers)), key=lambda i: (-buffers[i][0], -ranks[i]))
    placed: list[tuple[int, int]] = []  # offset, buffer
    for i in order:
        size, first, last = buffers[i]
        offset = 0
        for other, j in sorted(placed):
            if buffers[j][1] > last or buffers[j][2] < first:
                continue
            if other - offset >= size:
                break
            offset = max(offset, other + buffers[j][0])
        placed.append((offset, i))
    return max(offset + buffers[i][0] for offset, i in placed)


@pytest.mark.parametrize("seed", range(5))
def test_many_random_networks_are_planned_as_one_by_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, width = 40, int(rng.integers(1, 30))
    first = np.sort(rng.integers(0, 20, (n, width)), axis=1)
    last = first + rng.integers(0, 6, (n, width))
    sizes = 16 * rng.integers(0, 8, (n, width))  # equal sizes, and buffers that are absent
    ranks = rng.permuted(np.tile(np.arange(width), (n, 1)), axis=1)
    expected = [
        one_plan(
            [(int(s), int(f), int(e)) for s, f, e in zip(*row, strict=True) if s],
            [int(r) for r, s in zip(order, row[0], strict=True) if s],
        )
        if row[0].any()
        else 0
        for row, order in zip(np.stack([sizes, first, last], axis=1), ranks, strict=True)
    ]
    assert planned_bytes(sizes, first, last, ranks).tolist() == expected


def test_no_buffer_needs_no_memory() -> None:
    empty = np.zeros((3, 0), dtype=np.int64)
    assert planned_bytes(empty, empty, empty, empty).tolist() == [0, 0, 0]
    zeros = np.zeros((2, 4), dtype=np.int64)
    assert planned_bytes(zeros, zeros, zeros, zeros).tolist() == [0, 0]
