"""Descriptions of how a value was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from optuna_ofa.problem import MEASURED_ON, significant
from optuna_ofa.verification import images_of

_DIGITS = 8  # of a hash


def setup_words(setup: Mapping[str, Any]) -> str:
    """Return a setup as text: ``on 5,000 images (d661b962), weights 70965f75, ...``.

    Args:
        setup: What is known about how a value was measured; empty if nothing is.
    """
    if not setup:
        return "by an objective, or told to the study; conditions unknown"
    return ", ".join(_parts(setup))


def _parts(setup: Mapping[str, Any]) -> Iterator[str]:
    if "measured_by" in setup:
        yield f"by the function `{setup['measured_by']}`"
    if MEASURED_ON in setup:
        yield f"on the device {setup[MEASURED_ON]!r}"
    images = images_of(setup)
    if images is not None:
        label = f" {setup['label']!r}" if "label" in setup else ""
        yield f"on {images}{label}"
    if isinstance(setup.get("weights"), str):
        yield f"weights {setup['weights'][:_DIGITS]}"
    if "calibration" in setup:
        yield _calibration(setup["calibration"])
    settings = setup.get("settings")
    known = {**setup, **(settings if isinstance(settings, Mapping) else {})}
    if "runtime" in known:
        name, versions = str(known["runtime"]), known.get("versions")
        version = versions.get(name, "") if isinstance(versions, Mapping) else ""
        yield f"in {name} {version}".rstrip()
    for name in ("precision", "device", "processor"):
        if known.get(name):
            yield "INT8" if known[name] == "int8" else str(known[name])
    for name, word in (("threads", "thread"), ("batch", "image")):
        n = known.get(name)
        if isinstance(n, int):
            yield f"{n} {word}{'s' * (n > 1)}{' at once' * (name == 'batch')}"
    if isinstance(known.get("anchor_ms"), int | float):
        yield f"scaled to {significant(known['anchor_ms'], 4)} ms of the anchor subnet"


def _calibration(given: object) -> str:
    if not isinstance(given, Mapping):
        return "not calibrated"
    n = given.get("n_images")
    number = f"{n:,} " if isinstance(n, int) else ""
    digest = str(given.get("images", ""))[:_DIGITS]
    return f"calibrated with {number}images ({digest})"
