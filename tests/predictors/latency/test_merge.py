"""Resolutions that were not measured, and merging of tables."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optuna_ofa import LatencyPredictor, LatencyTable, SearchSpace, study
from optuna_ofa.costs import LayerSum, placements
from optuna_ofa.exceptions import (
    ExtrapolationWarning,
    FamilyMismatchError,
    ImplausibleValueWarning,
    InvalidArgumentError,
)
from optuna_ofa.predictors import LINEAR_IN_AREA, Entry, merge_tables
from optuna_ofa.space import Layer, families

FAMILIES = [
    *(family.name for family in families()),
    "efficientnet_lite0",
    "mobilenet_v3_large",
    "efficientnet_b0",
]


def affine_ms(layer: Layer) -> float:
    """Linear in the area of the layer, as interpolation takes it to be."""
    area = layer.in_size**2 + layer.out_size**2
    return 0.01 + 1e-7 * area * (layer.in_channels + layer.mid_channels + layer.kernel)


def make_table(
    space: SearchSpace,
    resolutions: list[int],
    price: Callable[[Layer], float] = affine_ms,
    **metadata: Any,
) -> LatencyTable:
    at = SearchSpace(space.family, resolution=resolutions)
    return LatencyTable.from_measurements(
        family=space.family,
        resolutions=resolutions,
        latencies={
            p.layer: Entry(price(p.layer), 0.1, 4, price(p.layer), price(p.layer) / 2)
            for p in placements(at)
        },
        metadata={"interpolation": LINEAR_IN_AREA, **metadata},
    )


@pytest.mark.parametrize("name", FAMILIES)
def test_between_two_resolutions_layers_are_linear_in_area(name: str) -> None:
    space = SearchSpace(name)
    table = make_table(space, [space.resolutions[0], space.resolutions[-1]])
    matrix = space.sample(200, seed=0)
    expected = LayerSum(space, lambda layer, _: affine_ms(layer))(matrix)
    predictor = LatencyPredictor(table=table, space=space)
    np.testing.assert_allclose(predictor.predict(matrix), expected, rtol=1e-9)
    assert predictor.predict_std(matrix) is not None


def test_a_study_searches_the_resolutions_between() -> None:
    space = SearchSpace("ofa_mbv3_w1.2").restrict(resolution=[160, 176, 192, 208, 224])
    table = make_table(space, [160, 224])
    predictor = study(space.family, hardware=table, objectives=["latency_ms", "n_macs"], seed=0)
    assert predictor.space.resolutions == space.family.resolutions


def test_outside_of_what_was_measured_a_warning_is_given() -> None:
    space = SearchSpace("ofa_mbv3_w1.0", resolution=[96, 192, 256])
    table = make_table(space, [128, 224])
    with pytest.warns(ExtrapolationWarning, match=r"\[96, 256\] .* measured at \[128, 224\]"):
        filled = table.fill(space)
    matrix = space.sample(50, seed=0)
    expected = LayerSum(space, lambda layer, _: affine_ms(layer))(matrix)
    predictor = LatencyPredictor(table=filled, space=space)
    np.testing.assert_allclose(predictor.predict(matrix), expected, rtol=1e-9)


def test_a_predictor_does_not_extrapolate() -> None:
    space = SearchSpace("ofa_mbv3_w1.0", resolution=[96, 192])
    with pytest.raises(InvalidArgumentError, match=r"\(128, 224\), but the space has \[96\] too"):
        LatencyPredictor(table=make_table(space, [128, 224]), space=space)


def test_a_published_table_is_not_filled_unasked() -> None:
    space = SearchSpace("ofa_mbv3_w1.0", resolution=[128, 192, 224])
    table = make_table(space, [128, 224], interpolation="none")
    with pytest.raises(InvalidArgumentError, match=r"the space has \[192\] too"):
        LatencyPredictor(table=table, space=space)
    LatencyPredictor(table=table.fill(space), space=space)


def test_one_resolution_cannot_be_filled() -> None:
    space = SearchSpace("ofa_mbv3_w1.0", resolution=[128, 192])
    with pytest.raises(InvalidArgumentError, match=r"two or more, but the space has \[192"):
        make_table(space, [128]).fill(space)


def test_latencies_are_never_negative() -> None:
    space = SearchSpace("ofa_mbv3_w1.0", resolution=[32, 128, 224])
    table = make_table(space, [128, 224], lambda x: max(x.in_size - 60, 1) ** 2 / 1e3)
    with pytest.warns(ExtrapolationWarning):
        filled = table.fill(space)
    assert all(e.mean_ms >= 0 for s in filled.content.sections for e in s.entries.values())


def test_what_is_known_of_an_entry_is_saved(tmp_path: Path) -> None:
    table = make_table(SearchSpace("ofa_mbv3_w1.0"), [128, 224])
    table.save(tmp_path / "t.json")
    assert LatencyTable.load(tmp_path / "t.json").content == table.content


@pytest.mark.parametrize("field", ["median", "min"])
@pytest.mark.parametrize("value", [-1.0, "NaN-like", None])
def test_impossible_entries_are_refused(field: str, value: Any, tmp_path: Path) -> None:
    import json

    from optuna_ofa.exceptions import FormatError

    table = make_table(SearchSpace("ofa_mbv3_w1.0"), [128])
    table.save(tmp_path / "t.json")
    data = json.loads((tmp_path / "t.json").read_text())
    next(iter(data["sections"][0]["entries"].values()))[field] = value
    (tmp_path / "t.json").write_text(json.dumps(data))
    with pytest.raises(FormatError, match=f"`{field}` of `.*` in .* must be a number"):
        LatencyTable.load(tmp_path / "t.json")


def test_merging_adds_resolutions_and_pools_what_both_have() -> None:
    space = SearchSpace("ofa_mbv3_w1.0")
    low, high = make_table(space, [128]), make_table(space, [224])
    merged = merge_tables(low, high)
    assert merged.resolutions == (128, 224)
    assert len(merged) == len(low) + len(high)
    twice = merge_tables(low, make_table(space, [128], lambda layer: 1.2 * affine_ms(layer)))
    layer = next(p.layer for p in placements(space.restrict(resolution=128)))
    entry = twice.layer(layer, 128)
    ms = affine_ms(layer)
    assert entry.mean_ms == pytest.approx(1.1 * ms)
    assert entry.n_runs == 8
    assert entry.min_ms == pytest.approx(ms / 2)
    assert entry.std_ms == pytest.approx(math.sqrt(0.1**2 + (0.1 * ms) ** 2))


@pytest.mark.parametrize(
    ("other", "error", "message"),
    [
        (lambda s: make_table(SearchSpace("ofa_mbv3_w1.2"), [128]), FamilyMismatchError, "w1.2"),
        (lambda s: make_table(s, [128], runtime="b"), InvalidArgumentError, "with runtime 'a'"),
        (lambda s: make_table(s, [128, 160], runtime="a"), InvalidArgumentError, "together they"),
    ],
    ids=["family", "runtime", "overlap"],
)
def test_tables_that_do_not_belong_together_are_not_merged(
    other: Any, error: type[Exception], message: str
) -> None:
    space = SearchSpace("ofa_mbv3_w1.0")
    with pytest.raises(error, match=message):
        merge_tables(make_table(space, [128], runtime="a"), other(space))


@pytest.mark.parametrize(
    ("resolution", "times"),
    [(128, 0.01), (128, 0.5), (128, 3), (128, 1000), (224, 0.01), (224, 1000)],
)
def test_tables_of_devices_of_another_speed_are_not_merged(times: float, resolution: int) -> None:
    space = SearchSpace("ofa_mbv3_w1.0")
    other = make_table(space, [resolution], lambda layer: times * affine_ms(layer))
    with pytest.raises(InvalidArgumentError, match=r"differ by a factor of .* of another device"):
        merge_tables(make_table(space, [128]), other)


def test_tables_of_other_processors_are_not_merged() -> None:
    space = SearchSpace("ofa_mbv3_w1.0")
    tables = [make_table(space, [r], device=name) for r, name in ((128, "Pixel"), (224, "Note10"))]
    with pytest.raises(InvalidArgumentError, match=r"device of the first table, Pixel, .* Note10"):
        merge_tables(*tables)


def test_merging_a_table_with_itself_warns() -> None:
    table = make_table(SearchSpace("ofa_mbv3_w1.0"), [128])
    with pytest.warns(ImplausibleValueWarning, match="equal to the last digit, and are counted"):
        merge_tables(table, table)
