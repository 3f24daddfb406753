"""Latencies outside of the measured resolutions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from optuna_ofa import LatencyPredictor, LatencyTable, SearchSpace
from optuna_ofa.exceptions import ExtrapolationWarning
from optuna_ofa.predictors import Entry
from optuna_ofa.predictors.latency._extrapolation import extrapolate, slope_in_area
from optuna_ofa.space import Layer, layers_from_net_config, subnet_layers

TABLES = {"note10": "note10_w1.2", "i7": "i7-8700k_w1.0/i7-8700K_lut.yaml"}
RELEASED = "specialized/note10_lat-64ms_top1-80.2_finetune-75/net.config"


def only(table: LatencyTable, *resolutions: int) -> LatencyTable:
    sections = [s for s in table.content.sections if s.resolutions[0] in resolutions]
    return LatencyTable(table.content._replace(sections=tuple(sections)))


def test_more_measured_resolutions_do_not_worsen_extrapolation(shared_data: Path) -> None:
    table = LatencyTable.load(shared_data / TABLES["note10"])
    space = SearchSpace("ofa_mbv3_w1.2", resolution=260)
    layers = layers_from_net_config(shared_data / RELEASED, 260)
    with pytest.warns(ExtrapolationWarning, match=r"\[260\] pixels are extrapolated"):
        all_of_them = table.fill(space).layers(layers, 260)
    with pytest.warns(ExtrapolationWarning, match=r"\[260\] pixels are extrapolated"):
        two_ends = only(table, 160, 224).fill(space).layers(layers, 260)
    assert all_of_them.mean_ms == pytest.approx(63.1, rel=0.05)  # was 49.2 ms
    assert two_ends.mean_ms == pytest.approx(63.1, abs=0.1)
    assert all_of_them.std_ms < two_ends.std_ms


@pytest.mark.parametrize("side", ["larger", "smaller"])
@pytest.mark.parametrize("n_left_out", [1, 2, 4, 8])
@pytest.mark.parametrize("name", TABLES)
def test_left_out_resolutions_are_within_their_intervals(
    name: str, n_left_out: int, side: str, shared_data: Path
) -> None:
    table = LatencyTable.load(shared_data / TABLES[name])
    n = n_left_out
    measured = table.resolutions[:-n] if side == "larger" else table.resolutions[n:]
    errors, inside = [], []
    for resolution in sorted(set(table.resolutions) - set(measured)):
        space = SearchSpace("ofa_mbv3_w1.2", resolution=resolution)
        found = extrapolate(space, measured, table.layer)
        for subnet in space.from_matrix(space.sample(30, seed=0)):
            layers = subnet_layers(subnet)
            predicted = sum(found[layer].mean_ms for layer in layers)
            std = np.sqrt(sum(found[layer].std_ms ** 2 for layer in layers))
            error = table.layers(layers, resolution).mean_ms - predicted
            errors.append(error / predicted)
            inside.append(abs(error) < 1.645 * std)
    assert np.mean(np.abs(errors)) < 0.05  # up to 12 % from the two nearest resolutions
    assert np.mean(inside) > 0.8


def test_standard_deviations_grow_with_the_distance(shared_data: Path) -> None:
    table = LatencyTable.load(shared_data / TABLES["note10"])
    space = SearchSpace("ofa_mbv3_w1.2", resolution=[224, 228, 320, 480])
    with pytest.warns(ExtrapolationWarning, match="extrapolated"):
        predictor = LatencyPredictor(table=table.fill(space), space=space)
    subnets = [space.restrict(resolution=r).largest() for r in space.resolutions]
    matrix = space.to_matrix(subnets)
    std = predictor.predict_std(matrix)
    assert std is not None
    assert (np.diff(std / predictor.predict(matrix)) > 0).all()
    unchanged = table.layers(subnet_layers(subnets[0]), 224).mean_ms
    assert predictor.predict(matrix)[0] == pytest.approx(unchanged, rel=1e-12)


def test_one_bad_resolution_has_little_influence() -> None:
    space = SearchSpace("ofa_mbv3_w1.0", resolution=256)
    measured = list(range(128, 225, 8))

    def ms(layer: Layer, resolution: int) -> Entry:
        area = layer.in_size**2 + layer.out_size**2
        return Entry((0.01 + 1e-6 * area) * (3 if resolution == 224 else 1))

    for layer, entry in extrapolate(space, measured, ms).items():
        assert entry.mean_ms == pytest.approx(ms(layer, 256).mean_ms, rel=0.05)
        assert entry.std_ms > 0


def test_latencies_do_not_fall_with_the_area() -> None:
    areas = np.array([1.0, 2.0, 3.0])
    assert slope_in_area(areas, np.array([3.0, 2.0, 1.0])) == 0
    assert slope_in_area(areas, np.array([1.0, 3.0, 5.0])) == 2
