"""Entries of layers that users measured."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from optuna_ofa._plausible import MAX_LAYER_MS, numbers
from optuna_ofa._rules import shown
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.predictors.latency._dialects import LAYERS
from optuna_ofa.predictors.latency._entries import Entry
from optuna_ofa.space import Layer


def keyed_entries(latencies: Mapping[Layer, Entry | float], n_classes: int) -> dict[str, Entry]:
    """Return entries by the keys of our own dialect.

    Args:
        latencies: Entries, or means in milliseconds.
        n_classes: Outputs of the classifier.

    Raises:
        InvalidArgumentError: If a value is no latency, or two layers have one key.
    """
    owners: dict[str, Layer] = {}
    entries: dict[str, Entry] = {}
    for layer, value in latencies.items():
        entry = _entry(layer, value)
        key = LAYERS.key(layer, n_classes)
        if key is None:
            raise InvalidArgumentError(
                f"`latencies` must have layers with a role of {', '.join(LAYERS.layer_types)}, but "
                f"got {layer}."
            )
        if key in owners:
            raise InvalidArgumentError(
                f"`latencies` must have each layer once, but got two with the key {key!r}: "
                f"{owners[key]} and {layer}."
            )
        owners[key], entries[key] = layer, entry
    return entries


def _entry(layer: Layer, value: Entry | float) -> Entry:
    entry = value if isinstance(value, Entry) else Entry(value)
    for name, least in (
        ("mean_ms", False),
        ("std_ms", True),
        ("median_ms", True),
        ("min_ms", True),
    ):
        _require_ms(getattr(entry, name), name, layer, unknown=least)
    return entry if isinstance(value, Entry) else Entry(float(value))


def _require_ms(value: object, name: str, layer: Layer, *, unknown: bool) -> None:
    found = numbers([value], "`latencies`")[0]
    if unknown and math.isnan(found) and value is not None:
        return
    if not np.isfinite(found) or not 0 <= found <= MAX_LAYER_MS:
        raise InvalidArgumentError(
            f"`latencies` must be milliseconds, from 0 to {MAX_LAYER_MS:,}, but got {name} "
            f"{shown(value)} for {layer}."
        )
