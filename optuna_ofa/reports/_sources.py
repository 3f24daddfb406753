"""The sources of the values of a study: predictors, their errors, devices, versions, seeds."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import metadata as packages
from typing import Any, NamedTuple

import numpy as np

from optuna_ofa.costs import MICRO_RUNTIME
from optuna_ofa.fronts import KINDS, Findings, Snapshot, limit_words
from optuna_ofa.predictors import CostPredictor, MissingPredictor, prediction_errors
from optuna_ofa.problem import MEASURED, MEASURED_BY, PREDICTION, Metric, Problem, significant
from optuna_ofa.profiling import elsewhere, is_of_table
from optuna_ofa.reports._setups import setup_words
from optuna_ofa.space import SearchSpace

_PACKAGES = ("optuna-ofa", "optuna", "torch", "numpy")
_SHORT = 160  # characters of a text that are shown
_SIMILAR = 1.5  # ratio of numbers whose mean says enough


class Source(NamedTuple):
    """One fact about the origin of values.

    Args:
        name: Its name.
        text: The fact as text.
    """

    name: str
    text: str


def find_sources(study: Findings) -> list[Source]:
    """Return what is known about the origin of a study's values.

    Predictors describe themselves in their ``metadata``; without it, only the class is named.
    """
    found = study.snapshot()
    problem = found.problem
    return [
        Source("Study", found.study_name),
        _of_space(found.space),
        Source("Searched for", f"{', '.join(problem.objectives)}"),
        Source("Limits", limit_words(problem.constraints, problem.metrics) or "none"),
        *_of_board(problem),
        Source("Trials", _trials(found)),
        *_of_measurements(found),
        *(s for m in problem.metrics for s in _of_predictor(problem, m)),
        Source("Seed", _seeds(found.seeds)),
        Source("Software", ", ".join(_versions())),
    ]


def _of_space(space: SearchSpace) -> Source:
    n = f"{space.n_subnets:.3g} {space.noun}s"
    if not space.has_network:
        return Source("Choices", f"{space.name}, {len(space.genes)} parameters, {n}")
    sizes = ", ".join(map(str, space.resolutions))
    return Source("Supernet", f"{space.name}, input {sizes} px, {n}")


def _of_board(problem: Problem) -> Iterator[Source]:
    if (board := problem.board) is not None:
        clock = f"{board.core}, {board.clock_mhz} MHz"
        sram = f"SRAM of {board.total_sram_kb:,} kB in all: {board.memory}"
        yield Source("Board", f"{board}; {clock}; {sram}; source: {board.source}")


def _seeds(seeds: Sequence[int]) -> str:
    if not seeds:
        return "none was given to the study"
    return ", ".join(map(str, seeds)) + " (of several processes)" * (len(seeds) > 1)


def _trials(found: Findings) -> str:
    kinds = {kind: found.results(kind=kind) for kind in KINDS}
    words = [f"{len(results.numbers):,} {kind}" for kind, results in kinds.items()]
    n_finite = sum(results.finite.sum() for results in kinds.values())
    n_violating = n_finite - sum(results.feasible.sum() for results in kinds.values())
    if found.problem.constraints or n_violating:
        words.append(f"{n_violating:,} violate a limit")
    generations = found.generations()
    if generations:
        n = sum(g.n_evaluated for g in generations)
        words.append(f"{n:,} subnets were evaluated, not all of which are kept")
    return ", ".join(words)


def _versions() -> Iterator[str]:
    yield f"Python {platform.python_version()}"
    for package in _PACKAGES:
        yield f"{package} {packages.version(package)}"


def _of_predictor(problem: Problem, metric: str) -> Iterator[Source]:
    title, predictor = problem.metrics[metric].title, problem.predictors[metric]
    if isinstance(predictor, CostPredictor):
        is_exact = problem.metrics[metric].is_exact
        words = "counted exactly" if is_exact else f"predicted for {MICRO_RUNTIME}"
        yield Source(title, f"{words} from the layers")
        return
    if isinstance(predictor, MissingPredictor):
        what = (
            "none, this metric is only measured" if predictor.is_measured else "not in the database"
        )
        yield Source(f"{title}: predictor", what)
        return
    facts = problem.facts(metric)
    error = _error(facts)
    yield Source(f"{title}: predictor", type(predictor).__name__)
    yield Source(
        f"{title} predictor: error",
        error or f"unknown; measure the {problem.space.noun}s that you choose",
    )
    for name, value in facts.items():
        if name != "held_out" and value not in ({}, [], None, ""):
            yield Source(f"{title} predictor: {name.replace('_', ' ')}", _text(value))


def _of_measurements(found: Snapshot) -> Iterator[Source]:
    """Yield how values were measured, and the errors of predictions for the same subnets."""
    measured = found.results(kind=MEASURED)
    if not len(measured.numbers):
        return
    notes = found.notes(measured.numbers.tolist())
    for j, (metric, of) in enumerate(found.problem.objective_metrics.items()):
        title = of.title
        setups = [_setup_of(note, metric) for note in notes]
        if isinstance(found.problem.predictors[metric], CostPredictor) and not any(setups):
            continue
        for words, n in Counter(map(setup_words, setups)).items():
            yield Source(f"{title}: measured", f"{n:,} {found.space.noun}{'s' * (n > 1)} {words}")
        pairs = [
            (note[PREDICTION][metric], value)
            for note, value in zip(notes, measured.values[:, j].tolist(), strict=True)
            if isinstance(note.get(PREDICTION), Mapping) and metric in note[PREDICTION]
        ]
        if pairs:
            yield Source(f"{title}: predicted against measured", _errors_of(of, pairs))
        if pairs and metric == "latency_ms" and found.space.has_network:
            yield from _of_another_device(found, title, setups, pairs)


def _of_another_device(
    found: Snapshot,
    title: str,
    setups: Sequence[Mapping[str, Any]],
    pairs: Sequence[tuple[float, float]],
) -> Iterator[Source]:
    """Yield a source if latencies were predicted for another device than they were measured on."""
    predictor = found.problem.predictors["latency_ms"]
    predicted, measured = np.array(pairs, dtype=float).T
    difference = elsewhere(
        found.problem.facts("latency_ms"),
        setups,
        predicted,
        measured,
        of_table=is_of_table(predictor),
        family=found.space.family,
        lowest=float(predicted.min()),
    )
    if difference is not None:
        yield Source(f"{title}: predicted for another device", difference.finding)


def _setup_of(note: Mapping[str, Any], metric: str) -> Mapping[str, Any]:
    by_metric = note.get(MEASURED_BY)
    setup = by_metric.get(metric) if isinstance(by_metric, Mapping) else None
    return setup if isinstance(setup, Mapping) else {}


def _errors_of(metric: Metric, pairs: Sequence[tuple[float, float]]) -> str:
    """Return the errors of predictions for measured subnets as text."""
    predicted, measured = np.array(pairs, dtype=float).T
    errors, unit = prediction_errors(metric.name, predicted, measured), metric.difference_unit
    words = [
        f"root mean square {significant(errors.rmse)} {unit}",
        f"mean error {significant(errors.mean_error, sign='+')} {unit} (measured minus predicted)",
        f"mean absolute error {significant(errors.mape)} %",
    ]
    if np.isfinite(errors.kendall):
        words.append(f"Kendall's tau {errors.kendall:.3f}")
    return f"{', '.join(words)}, over {errors.n:,} measured subnet{'s' * (errors.n > 1)}"


def _error(facts: Mapping[str, Any]) -> str:
    """Return the errors of predictions as text, if they were measured."""
    words = []
    splits = (facts.get("held_out") or {}).get("splits", [])
    errors = [split["rmse"] for split in splits if "rmse" in split]
    if errors:
        taus = [split["tau"] for split in splits if "tau" in split]
        rank = f", Kendall's tau {_mean_or_range(taus, '{:.3f}'.format)}" if taus else ""
        words.append(
            f"root mean square {_mean_or_range(errors, significant)} points on held-out "
            f"subnets{rank}"
        )
    if "repeat_std" in facts:
        words.append(
            f"repeat measurements have a standard deviation of "
            f"{significant(facts['repeat_std'])} points"
        )
    if facts.get("heldout_mape"):
        shown = [f"{name} {significant(value)} %" for name, value in facts["heldout_mape"].items()]
        words.append(f"mean absolute error on held-out subnets: {', '.join(shown)}")
    if facts.get("noise_percent") is not None:
        if not words:
            words.append("unknown for whole subnets")
        words.append(
            f"repeated runs of a network differ by {significant(facts['noise_percent'], 2)} % "
            f"(standard deviation)"
        )
    return "; ".join(words)


def _mean_or_range(values: Sequence[float], text: Callable[[float], str]) -> str:
    """Return the mean of similar values, such as of random splits, or the range of others."""
    low, high = min(values), max(values)
    if high <= _SIMILAR * low:
        return text(float(np.mean(values)))
    return f"{text(low)} to {text(high)}"


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        text = ", ".join(f"{k} {_text(v)}" for k, v in value.items())
    elif isinstance(value, list | tuple):
        text = ", ".join(map(_text, value)) or "none"
    else:
        text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _SHORT else f"{text[:_SHORT]}…"
