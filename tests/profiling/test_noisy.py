"""Layers whose standard deviation exceeds their mean."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optuna_ofa import LatencyTable, MeasurementSettings, SearchSpace, measure, profile
from optuna_ofa.exceptions import NoisyDeviceWarning
from optuna_ofa.profiling import export_profile, table_from_folder
from optuna_ofa.profiling._cover import signatures
from optuna_ofa.profiling.on_device import measure_folder
from optuna_ofa.space import Layer


@pytest.fixture
def small(space: SearchSpace) -> SearchSpace:
    return space.restrict(resolution=64)


@pytest.fixture
def spiky(small: SearchSpace) -> Layer:
    """A block that not all networks have."""
    return [layer for layer in signatures(small) if layer.role == "block"][-1]


def entry_of(table: LatencyTable, layer: Layer) -> Any:
    return table.layer(layer, 64)


def settings_of(device: Any) -> MeasurementSettings:
    return MeasurementSettings(runtime=device, n_rounds=7, max_spread=100.0)


@pytest.mark.parametrize("profiles", [True, False], ids=["networks", "layers"])
def test_a_layer_with_spikes_is_named(
    make_device: Any, small: SearchSpace, spiky: Layer, profiles: bool
) -> None:
    device = make_device(profiles=profiles, drift=0, spikes_on=spiky)
    with pytest.warns(NoisyDeviceWarning, match=r"^1 of \d+ layers have .* block-input:") as said:
        table = profile(small, settings_of(device))
    (key,) = table.metadata["noisy_layers"]
    assert key in str(said[0].message)
    assert f"kernel:{spiky.kernel}-" in key
    entry = entry_of(table, spiky)
    assert entry.std_ms > entry.mean_ms > 0
    assert said[0].filename == __file__


@pytest.mark.parametrize("profiles", [True, False], ids=["networks", "layers"])
def test_what_was_noisy_once_is_measured_again(
    make_device: Any, small: SearchSpace, spiky: Layer, profiles: bool
) -> None:
    quiet = make_device(profiles=profiles, drift=0)
    expected = profile(small, settings_of(quiet))
    n = len(quiet.loaded)
    device = make_device(profiles=profiles, drift=0, spikes_on=spiky, spikes_until=n)
    with warnings.catch_warnings():
        warnings.simplefilter("error", NoisyDeviceWarning)
        table = profile(small, settings_of(device))
    assert table.metadata["noisy_layers"] == []
    assert n <= len(device.loaded) < 2 * n  # not all of them again
    a, b = (entry_of(t, spiky) for t in (table, expected))
    assert a.std_ms < a.mean_ms
    assert a.mean_ms == pytest.approx(b.mean_ms, rel=0.02)


def test_a_quiet_device_is_measured_once(make_device: Any, small: SearchSpace) -> None:
    device = make_device(noise=0.05)
    table = profile(small, settings_of(device))
    assert len(device.loaded) == len(set(device.loaded)) * 2 - 1  # with and without a profile
    assert table.metadata["noisy_layers"] == []


def test_no_entry_is_negative_or_absurd(make_device: Any, small: SearchSpace, spiky: Layer) -> None:
    device = make_device(drift=0, spikes_on=spiky, noise=0.05)
    with pytest.warns(NoisyDeviceWarning):
        table = profile(small, settings_of(device))
    quiet = profile(small, settings_of(make_device(drift=0)))
    for layer in signatures(small):
        entry, other = entry_of(table, layer), entry_of(quiet, layer)
        assert 0 < entry.min_ms <= entry.median_ms
        assert entry.mean_ms == pytest.approx(other.mean_ms, rel=1.0 if layer == spiky else 0.4)


def test_results_of_a_device_elsewhere_are_flagged(
    make_device: Any, small: SearchSpace, spiky: Layer, tmp_path: Path
) -> None:
    device = make_device(drift=0, spikes_on=spiky)
    export_profile(small, tmp_path, runtime=device)
    measure_folder(tmp_path, device, settings_of(device), n_rounds=5)
    with pytest.warns(NoisyDeviceWarning, match="1 of"):
        table = table_from_folder(tmp_path, small, max_spread=100.0)
    table.save(tmp_path / "table.json")
    loaded = LatencyTable.load(tmp_path / "table.json")
    assert len(loaded.metadata["noisy_layers"]) == 1


def test_an_interruption_of_the_second_measurement_loses_nothing(
    make_device: Any, small: SearchSpace, spiky: Layer, tmp_path: Path
) -> None:
    first = make_device(drift=0, spikes_on=spiky)
    with pytest.warns(NoisyDeviceWarning):
        profile(small, settings_of(first), folder=tmp_path / "first")
    n = len(json.loads((tmp_path / "first" / "results.json").read_text())["graphs"])
    quiet = make_device(drift=0)
    profile(small, settings_of(quiet))
    device = make_device(drift=0, spikes_on=spiky, stops_after=len(quiet.loaded) + 1)
    with pytest.raises(KeyboardInterrupt):
        profile(small, settings_of(device), folder=tmp_path / "second")
    results = json.loads((tmp_path / "second" / "results.json").read_text())
    assert len(results["graphs"]) == n
    assert all(np.isfinite(graph["clock_ms"]).all() for graph in results["graphs"].values())


def test_networks_that_vary_more_than_they_take_are_counted(
    make_device: Any, small: SearchSpace
) -> None:
    settings = MeasurementSettings(runtime=make_device(noise=3.0), n_rounds=7, max_spread=1e9)
    with pytest.warns(NoisyDeviceWarning, match=r"of 3 networks have a standard deviation"):
        measure(small, small.sample(3, seed=0), settings)
