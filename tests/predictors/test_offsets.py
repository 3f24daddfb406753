"""Offsets of groups of measurements."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray

from optuna_ofa.exceptions import GroupWarning, InvalidArgumentError
from optuna_ofa.predictors import AccuracyPredictor
from optuna_ofa.space import SearchSpace, families

SPACE = SearchSpace("ofa_mbv3_w1.0").restrict(resolution=[128, 160, 192])
MATRIX = SPACE.sample(300, seed=0)
OTHERS = SPACE.sample(300, seed=1)
NOISE = 0.1
PLANTED = np.array([-0.4, 0.1, 0.3])
RESOLUTION = MATRIX[:, 0]


def truth(matrix: NDArray[np.int16]) -> NDArray[np.float64]:
    return np.asarray(60 + 0.02 * matrix.sum(axis=1))


def noisy(matrix: NDArray[np.int16]) -> NDArray[np.float64]:
    return truth(matrix) + np.random.default_rng(0).normal(0, NOISE, len(matrix))


def groups_of(predictor: AccuracyPredictor) -> dict[str, dict[str, Any]]:
    groups: dict[str, dict[str, Any]] = predictor.metadata["groups"]
    return groups


def fit(
    group: Any, top1: Any = None, model: Literal["gaussian_process", "ridge"] = "ridge"
) -> AccuracyPredictor:
    return AccuracyPredictor.fit(
        SPACE, MATRIX, noisy(MATRIX) if top1 is None else top1, model=model, group=group
    )


@pytest.mark.parametrize("seed", range(5))
def test_planted_offsets_are_found_within_their_standard_errors(seed: int) -> None:
    group = np.random.default_rng(seed).choice(3, size=300, p=[0.6, 0.3, 0.1])
    found = groups_of(fit(group, noisy(MATRIX) + PLANTED[group]))
    expected = PLANTED - PLANTED[group].mean()
    for name, offset in found.items():
        assert offset["rows"] == (group == int(name)).sum()
        assert 0.003 < offset["standard_error"] < 0.05
        assert abs(offset["offset"] - expected[int(name)]) < 3 * offset["standard_error"]
    mean = sum(offset["offset"] * offset["rows"] for offset in found.values())
    assert mean == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("family", [family.name for family in families()])
@pytest.mark.parametrize("n", [60, 300])
def test_planted_offsets_are_found_in_every_family(family: str, n: int) -> None:
    space = SearchSpace(family)
    matrix, group = space.sample(n, seed=0), np.arange(n) % 3
    top1 = 60 + 0.006 * matrix.sum(axis=1) + np.random.default_rng(0).normal(0, NOISE, n)
    found = groups_of(
        AccuracyPredictor.fit(space, matrix, top1 + PLANTED[group], group=group, model="ridge")
    )
    for name, offset in found.items():
        assert offset["offset"] == pytest.approx(PLANTED[int(name)], abs=0.06)


@pytest.mark.parametrize("model", ["gaussian_process", "ridge"])
def test_predictions_are_as_good_as_without_offsets(model: Any) -> None:
    group = np.arange(300) % 3
    with_offsets = noisy(MATRIX) + PLANTED[group]

    def rmse(predictor: AccuracyPredictor) -> float:
        return float(np.sqrt(np.mean((predictor.predict(OTHERS) - truth(OTHERS)) ** 2)))

    clean = rmse(fit(None, model=model))
    assert rmse(fit(group, with_offsets, model)) < 1.1 * clean + 0.01
    assert rmse(fit(None, with_offsets, model)) > 1.5 * clean


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("shift", [0.2, 1.0])
def test_offset_of_few_rows_is_shrunk(n: int, shift: float) -> None:
    group, top1 = np.zeros(300, dtype=int), noisy(MATRIX)
    group[:n] = 1
    deviation = np.mean(top1[:n] - fit(group, top1).predict(MATRIX[:n]))
    top1[:n] += shift - deviation
    found = groups_of(fit(group, top1))["1"]
    assert 0 < found["offset"] < 0.97 * shift
    assert abs(found["offset"] - shift) < 4 * found["standard_error"]


def test_offsets_of_equal_groups_are_near_zero() -> None:
    for offset in groups_of(fit(np.arange(300) % 4)).values():
        assert abs(offset["offset"]) < 2 * offset["standard_error"] < 0.05


def test_effect_of_a_resolution_is_not_that_of_its_only_group() -> None:
    top1 = noisy(MATRIX) + 3.0 * (RESOLUTION == 128)
    group = np.where(RESOLUTION == 128, "a", np.where(np.arange(300) % 2 == 0, "b", "c"))
    with pytest.warns(GroupWarning, match="2 sets of labels .*: [bc], [bc]; a.* resolution"):
        predictor = fit(group, top1 + 0.5 * (group == "b"))
    found = groups_of(predictor)
    assert found["a"]["offset"] == pytest.approx(0)
    assert found["a"]["standard_error"] is None
    assert found["b"]["offset"] - found["c"]["offset"] == pytest.approx(0.5, abs=0.05)
    low = RESOLUTION == 128
    assert np.mean(predictor.predict(MATRIX[low]) - top1[low]) == pytest.approx(0, abs=0.1)


def test_overlap_tells_a_group_from_a_resolution() -> None:
    group = np.where((RESOLUTION == 128) | (np.arange(300) % 10 == 0), 1, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = groups_of(fit(group, noisy(MATRIX) + 0.5 * group + 2.0 * (RESOLUTION == 128)))
    assert found["1"]["offset"] - found["0"]["offset"] == pytest.approx(0.5, abs=0.1)


def test_one_group_changes_nothing() -> None:
    predictor, plain = fit(["phone"] * 300), fit(None)
    np.testing.assert_array_equal(predictor.predict(OTHERS), plain.predict(OTHERS))
    assert groups_of(predictor) == {"phone": {"offset": 0.0, "standard_error": 0.0, "rows": 300}}
    assert "groups" not in plain.metadata


@pytest.mark.parametrize("n", [5, 6, 10])
def test_few_subnets_give_moderate_offsets(n: int) -> None:
    predictor = AccuracyPredictor.fit(
        SPACE, MATRIX[:n], noisy(MATRIX[:n]), group=np.arange(n) % 2, model="ridge"
    )
    values = noisy(MATRIX[:n])
    assert all(abs(o["offset"]) < np.ptp(values) for o in groups_of(predictor).values())


def test_repeats_in_different_groups_are_compared_before_they_are_averaged() -> None:
    matrix, group = np.tile(MATRIX[:20], (2, 1)), np.repeat([0, 1], 20)
    top1 = truth(matrix) + np.array([0.0, 0.6])[group]
    found = groups_of(AccuracyPredictor.fit(SPACE, matrix, top1, group=group, model="ridge"))
    assert found["1"]["offset"] == pytest.approx(0.3, abs=0.02)


@pytest.mark.parametrize(
    "labels",
    [
        np.arange(300) % 3,
        (np.arange(300) % 3).tolist(),
        [str(i % 3) for i in range(300)],
        np.array([str(i % 3) for i in range(300)]),
        pd.Series(np.arange(300) % 3, index=range(300, 0, -1)),
        torch.arange(300) % 3,
        iter([i % 3 for i in range(300)]),
    ],
    ids=["array", "list", "strings", "text-array", "series", "tensor", "iterator"],
)
def test_labels_are_sequences_of_whole_numbers_or_strings(labels: Any) -> None:
    assert groups_of(fit(labels)) == groups_of(fit(np.arange(300) % 3))


@pytest.mark.parametrize(
    ("labels", "match"),
    [
        ([0, 1] * 100, "`group` must be 300 labels, one per subnet, but got 200"),
        ("a" * 300, "`group` must be a sequence of labels, .* 'aaa"),
        (dict.fromkeys(range(300), 0), "`group` must be a sequence of labels"),
        (set(range(300)), "`group` must be a sequence of labels"),
        (3, "`group` must be a sequence of labels, one per subnet, but got 3"),
        ([0, "a"] * 150, "`group` must be labels that are all whole numbers or all strings"),
        ([0, None] * 150, "all strings, but got None"),
        ([0.0, np.nan] * 150, "all strings, but got 0.0"),
        (["a", np.nan] * 150, "all strings, but got nan"),
        ([True, False] * 150, "all strings, but got True"),
        ([["a"], ["b"]] * 150, r"all strings, but got \['a'\]"),
        (np.zeros((300, 2), dtype=int), r"all strings, but got \[0, 0\]"),
        (range(300), "who or what measured several rows, at most 1,000 .* got 300 for 300 rows"),
    ],
    ids=[
        "length", "string", "mapping", "set", "number", "mixed", "none", "floats", "nan", "bools",
        "nested", "two-dimensional", "all-different",
    ],
)  # fmt: skip
def test_bad_labels_are_refused(labels: Any, match: str) -> None:
    with pytest.raises(InvalidArgumentError, match=match):
        fit(labels)


def test_offsets_are_saved_with_the_predictor(tmp_path: Path) -> None:
    predictor = AccuracyPredictor.fit(
        SPACE, MATRIX, noisy(MATRIX), group=["a", "b"] * 150, metadata={"source": "x"}
    )
    predictor.save(tmp_path / "a.json")
    assert AccuracyPredictor.load(tmp_path / "a.json").metadata == predictor.metadata
    assert predictor.metadata["source"] == "x"


def test_order_of_rows_and_names_of_groups_do_not_matter() -> None:
    order = np.random.default_rng(0).permutation(300)
    group, top1 = np.arange(300) % 3, noisy(MATRIX)
    names = np.array(["c", "a", "b"])
    first = groups_of(fit(group, top1))
    second = groups_of(
        AccuracyPredictor.fit(
            SPACE, MATRIX[order], top1[order], model="ridge", group=names[group][order]
        )
    )
    for i, name in enumerate(names):
        assert second[name]["offset"] == pytest.approx(first[str(i)]["offset"], abs=1e-9)


def test_prior_tells_offsets_of_few_rows() -> None:
    prior = AccuracyPredictor.fit(SPACE, OTHERS, truth(OTHERS), model="ridge")
    group = np.arange(10) % 2
    top1 = 20 + 0.7 * noisy(MATRIX[:10]) + 0.5 * group

    def error(**options: Any) -> float:
        found = AccuracyPredictor.fit(SPACE, MATRIX[:10], top1, group=group, **options)
        offsets = groups_of(found)
        return abs(offsets["1"]["offset"] - offsets["0"]["offset"] - 0.5)

    assert error(prior=prior) < 0.15
    assert error(prior=prior) < error()
