"""Products of NumPy in pieces of one size."""

from __future__ import annotations

import numpy as np
import pytest

from optuna_ofa.predictors._products import (
    ROWS,
    RowProduct,
    in_pieces,
    inverse_root,
    padded,
    rows_at_a_time,
)

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    "shape", [(3, 1), (146, 400), (545, 545), (1200, 70), (40_000, 2)], ids=str
)
def test_products_are_those_of_numpy(shape: tuple[int, int]) -> None:
    matrix, rows = RNG.normal(size=shape), RNG.normal(size=(3 * ROWS, shape[0]))
    product = RowProduct(matrix)(rows)
    assert product.shape == (3 * ROWS, shape[1])
    np.testing.assert_allclose(product, rows @ matrix, rtol=1e-9, atol=1e-9)


def test_a_row_has_the_same_bits_in_every_place() -> None:
    product, rows = RowProduct(RNG.normal(size=(600, 300))), RNG.normal(size=(20 * ROWS, 600))
    together = product(rows)
    for place in (0, 3, 77, 159):
        alone = product(padded(rows[place : place + 1]))[0]
        assert np.array_equal(alone, together[place])


@pytest.mark.parametrize("n", [1, 32, 33, 200])
def test_inverse_roots(n: int) -> None:
    values = RNG.normal(size=(n, n + 3))
    matrix = values @ values.T + np.eye(n)
    inverse = inverse_root(matrix)
    np.testing.assert_allclose(inverse @ matrix @ inverse.T, np.eye(n), atol=1e-8)
    assert not np.triu(inverse, 1).any()


@pytest.mark.parametrize("n", [5, 100])
def test_what_is_not_positive_definite_has_no_root(n: int) -> None:
    with pytest.raises(np.linalg.LinAlgError, match="positive definite"):
        inverse_root(-np.eye(n))


@pytest.mark.parametrize("n", [0, 1, 7, 8, 9])
def test_rows_are_padded_with_zeros(n: int) -> None:
    rows = RNG.normal(size=(n, 3))
    found = padded(rows)
    assert len(found) == max(ROWS, -(-n // ROWS) * ROWS)
    assert np.array_equal(found[:n], rows)
    assert not found[n:].any()


@pytest.mark.parametrize("threads", ["1", "2", "many"])
@pytest.mark.parametrize("n", [0, 1, 1023, 5000])
def test_pieces_are_joined_in_order(n: int, threads: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    values = RNG.normal(size=n)
    assert np.array_equal(in_pieces(lambda piece: 2 * values[piece], n, 400), 2 * values)


def test_pieces_of_long_rows_are_short_but_never_empty() -> None:
    assert rows_at_a_time(400) % ROWS == 0
    assert rows_at_a_time(10_000_000) == ROWS
