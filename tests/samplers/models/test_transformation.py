"""Scales on which quantities are learnt."""

from __future__ import annotations

import numpy as np
import pytest

from optuna_ofa.samplers.models._transformation import (
    Identity,
    Logarithm,
    Transformation,
    YeoJohnson,
)

NUMBERS = np.linspace(-30, 50, 81)


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 1.7, 2.0])
def test_powers_rise_and_are_undone(power: float) -> None:
    scale = YeoJohnson(level=3.0, scale=2.0, power=power)
    assert (np.diff(scale(NUMBERS)) > 0).all()
    assert scale.inverse(scale(NUMBERS)) == pytest.approx(NUMBERS)


def test_powers_are_those_of_the_paper() -> None:
    # Yeo and Johnson (2000), equation 2.1
    scale = YeoJohnson(level=0.0, scale=1.0, power=0.5)
    assert scale(np.array([3.0, -3.0])) == pytest.approx([(4**0.5 - 1) / 0.5, -(4**1.5 - 1) / 1.5])
    logs = [YeoJohnson(0.0, 1.0, power)(np.array([s * 3.0])) for power, s in ((0.0, 1), (2.0, -1))]
    assert np.concatenate(logs) == pytest.approx([np.log(4), -np.log(4)])


def test_a_power_of_one_only_standardises() -> None:
    assert YeoJohnson(3.0, 2.0, 1.0)(NUMBERS) == pytest.approx((NUMBERS - 3) / 2)


@pytest.mark.parametrize(("sign", "least", "most"), [(1.0, 0.0, 0.5), (-1.0, 1.5, 2.0)])
def test_a_long_tail_is_drawn_in(sign: float, least: float, most: float) -> None:
    values = sign * np.exp(np.random.default_rng(0).normal(0, 1.5, 100))
    scale = YeoJohnson.of(values)
    assert least <= scale.power <= most
    skew = [np.mean(((v - v.mean()) / v.std()) ** 3) for v in (values, scale(values))]
    assert abs(skew[1]) < 0.6 * abs(skew[0])


def test_normal_values_are_left_about_as_they_are() -> None:
    values = np.random.default_rng(0).normal(-75, 2, 200)
    assert YeoJohnson.of(values).power == pytest.approx(1, abs=0.2)


def test_equal_values_are_shifted() -> None:
    scale = YeoJohnson.of(np.full(3, -5.0))
    assert scale(np.array([-5.0, -4.0])).tolist() == [0.0, 1.0]


def test_few_values_say_little() -> None:
    assert YeoJohnson.of(np.array([-90.0, -91.0])).power == pytest.approx(1, abs=0.3)


@pytest.mark.parametrize("scale", [Identity(), Logarithm()], ids=["identity", "logarithm"])
def test_the_others_are_undone(scale: Transformation) -> None:
    values = np.array([1e-9, 0.5, 7.0])
    assert scale.inverse(scale(values)) == pytest.approx(values)


def test_the_logarithm_of_what_is_not_positive_is_finite() -> None:
    assert np.isfinite(Logarithm()(np.array([0.0, -1.0]))).all()
