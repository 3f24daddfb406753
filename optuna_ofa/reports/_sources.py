"""Where the values of a study come from: predictors and their errors, devices, versions, seeds."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from importlib import metadata as packages
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from optuna_ofa.predictors import CostPredictor, Predictor
from optuna_ofa.problem import METRICS
from optuna_ofa.visualization import KINDS

if TYPE_CHECKING:
    from optuna_ofa.studies import SubnetStudy

_PACKAGES = ("optuna-ofa", "optuna", "torch", "numpy")
_SHORT = 160  # characters of a text that is not known by its name


class Source(NamedTuple):
    """One thing that is known of where values come from.

    Args:
        name: What it is.
        text: What is known, in words.
    """

    name: str
    text: str


def find_sources(study: SubnetStudy) -> list[Source]:
    """All that is known of where a study's values come from.

    What predictors say of themselves is in their ``metadata``; of one that has none, its class is
    named.
    """
    problem, space = study.problem, study.space
    limits = [
        f"{m} {'≥' if METRICS[m].maximize else '≤'} {METRICS[m].amount(bound)}"
        for m, bound in problem.constraints.items()
    ]
    sizes = ", ".join(map(str, space.resolutions))
    return [
        Source("Study", study.study_name),
        Source("Supernet", f"{space.family.name}, input {sizes} px, {space.n_subnets:.3g} subnets"),
        Source("Searched for", f"{', '.join(problem.objectives)}"),
        Source("Limits", ", ".join(limits) or "none"),
        Source("Trials", _trials(study)),
        *(s for m in problem.metrics for s in _of_predictor(m, problem.predictors[m])),
        Source("Seed", f"{study._evolution.seed} (of the process that wrote this)"),
        Source("Software", ", ".join(_versions())),
    ]


def _trials(study: SubnetStudy) -> str:
    kinds = {kind: study.results(kind=kind) for kind in KINDS}
    words = [f"{len(results.numbers):,} {kind}" for kind, results in kinds.items()]
    if study.problem.constraints:
        n_violating = sum((~results.feasible).sum() for results in kinds.values())
        words.append(f"{n_violating:,} violate a limit")
    generations = study.generations()
    if generations:
        n = sum(g.n_evaluated for g in generations)
        words.append(f"{n:,} subnets were evaluated, of which not all are kept")
    return ", ".join(words)


def _versions() -> Iterator[str]:
    yield f"Python {platform.python_version()}"
    for package in _PACKAGES:
        yield f"{package} {packages.version(package)}"


def _of_predictor(metric: str, predictor: Predictor) -> Iterator[Source]:
    title = METRICS[metric].title
    if isinstance(predictor, CostPredictor):
        yield Source(title, "counted exactly from the layers")
        return
    facts = _facts(predictor)
    error = _error(facts)
    yield Source(f"{title}: predictor", type(predictor).__name__)
    yield Source(f"{title}: error", error or "not known; measure what you choose")
    for name, value in facts.items():
        if name != "held_out" and value not in ({}, [], None, ""):
            yield Source(f"{title}: {name.replace('_', ' ')}", _text(value))


def _facts(predictor: Predictor) -> dict[str, Any]:
    """What a predictor, and the table that it has, say of themselves."""
    table = getattr(predictor, "table", None)
    facts = dict(getattr(table, "metadata", None) or {})
    facts.update(getattr(predictor, "metadata", None) or {})
    errors = getattr(predictor, "heldout_mape", None)
    return {**facts, "heldout_mape": errors} if errors else facts


def _error(facts: Mapping[str, Any]) -> str:
    """How far predictions are off, where that was measured."""
    words = []
    splits = (facts.get("held_out") or {}).get("splits", [])
    errors = [split["rmse"] for split in splits if "rmse" in split]
    if errors:
        taus = [split["tau"] for split in splits if "tau" in split]
        rank = f", Kendall's tau {np.mean(taus):.3f}" if taus else ""
        words.append(f"root mean square {np.mean(errors):.3f} points on held-out subnets{rank}")
    if "repeat_std" in facts:
        words.append(f"measuring again scatters by {facts['repeat_std']:.3f} points")
    if facts.get("heldout_mape"):
        shown = [f"{name} {value:.1f} %" for name, value in facts["heldout_mape"].items()]
        words.append(f"mean absolute error on held-out subnets: {', '.join(shown)}")
    if "noise_percent" in facts:
        if not words:
            words.append("of whole subnets not known")
        words.append(f"one round of measurements scatters by {facts['noise_percent']:.1f} %")
    return "; ".join(words)


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        text = ", ".join(f"{k} {_text(v)}" for k, v in value.items())
    elif isinstance(value, list | tuple):
        text = ", ".join(map(_text, value)) or "none"
    else:
        text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _SHORT else f"{text[:_SHORT]}…"
