"""Colours that can be told apart."""

from __future__ import annotations

import itertools

import pytest

from optuna_ofa.visualization._style import kernel_colour, shades


def _lightness(colour: str) -> float:
    """CIE L* of an sRGB colour, from 0 (black) to 100 (white)."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    y = sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    return 116 * y ** (1 / 3) - 16 if y > 0.008856 else 903.3 * y


def test_lightness_is_that_of_known_colours() -> None:
    assert [round(_lightness(c)) for c in ("#000000", "#777777", "#FFFFFF")] == [0, 50, 100]


@pytest.mark.parametrize("pair", list(itertools.combinations((3, 5, 7), 2)), ids=str)
def test_kernels_differ_in_lightness_as_well(pair: tuple[int, int]) -> None:
    first, second = (_lightness(kernel_colour(k)) for k in pair)
    assert abs(first - second) > 15


def test_kernels_are_blue_orange_and_red() -> None:
    parts = {k: [int(kernel_colour(k)[i : i + 2], 16) for i in (1, 3, 5)] for k in (3, 5, 7)}
    assert max(parts[3]) == parts[3][2]
    assert max(parts[5]) == parts[5][0]
    assert max(parts[7]) == parts[7][0]
    assert parts[5][1] > parts[7][1]  # orange has more green


def test_kernels_of_other_sizes_have_another_colour() -> None:
    assert kernel_colour(9) not in {kernel_colour(k) for k in (3, 5, 7)}


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_shades_get_darker(n: int) -> None:
    lightness = [_lightness(c) for c in shades(n)]
    assert len(lightness) == n
    assert all(a - b > 8 for a, b in itertools.pairwise(lightness))
