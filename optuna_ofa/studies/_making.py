"""The parts of a study, assembled by `optuna_ofa.study` and `optuna_ofa.load_study`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage

from optuna_ofa.data import Board, Found, predictor_on
from optuna_ofa.exceptions import InvalidArgumentError, StudyMismatchError
from optuna_ofa.predictors import COSTS, ConfidenceBound, CostPredictor, MissingPredictor, Predictor
from optuna_ofa.problem import DESCRIPTION, Keep, Metric, Parameters, Problem
from optuna_ofa.samplers import (
    N_STARTUP_TRIALS,
    Evolution,
    EvolutionarySampler,
    PredictorEstimator,
    SubnetSampler,
    SurrogateSampler,
)
from optuna_ofa.space import SearchSpace, family_differences, table_from_json
from optuna_ofa.storage import find_study, make_study, storage_errors
from optuna_ofa.studies._seeds import given_seeds, seed_attributes
from optuna_ofa.studies._stored import parse, unpredicted
from optuna_ofa.studies._study import SubnetStudy

# The predictors already have the right scale, so startup trials only serve to correct them.
_N_CORRECTING_TRIALS = 10


def problem_of(
    space: SearchSpace,
    objectives: Sequence[str | Metric],
    constraints: Mapping[str, float],
    found: Mapping[str, Found],
    own: Sequence[Metric],
    caution: float,
    board: Board | None = None,
) -> Problem:
    """Return the problem of a study.

    Args:
        space: The space.
        objectives: Its objectives.
        constraints: Its constraints.
        found: Predictors or tables for accuracy and latency, as needed.
        own: The custom metrics.
        caution: Number of standard deviations by which accuracies are lowered.
        board: The microcontroller whose memories are among the constraints.
    """
    names = [of.name if isinstance(of, Metric) else of for of in objectives]
    on_space = {m: predictor_on(space, m, of) for m, of in found.items()}
    on_space |= {m: CostPredictor(m, space) for m in (*names, *constraints) if m in COSTS}
    if "top1" in on_space and not isinstance(on_space["top1"], MissingPredictor):
        on_space["top1"] = _cautious(on_space["top1"], caution)
    return Problem(
        space=space,
        objectives=objectives,
        constraints=constraints,
        predictors=on_space,
        own=own,
        board=board,
    )


def _cautious(predictor: Predictor, caution: float) -> Predictor:
    """Return the predictor, or its lower confidence bound.

    Raises:
        InvalidArgumentError: If ``caution`` is negative, or the predictor has no standard
            deviations.
    """
    try:
        return ConfidenceBound(predictor, caution) if caution else predictor
    except InvalidArgumentError as error:
        raise InvalidArgumentError(
            f"`caution` must be 0, or a positive number with an `accuracy` that has standard "
            f"deviations, but got {caution}: {error}"
        ) from error


def require_one_source(sampler: BaseSampler | None, seed: int | None, learn: bool) -> None:
    """Refuse a sampler together with arguments that define one."""
    if sampler is not None and seed is not None:
        raise InvalidArgumentError(
            f"`seed` must be None with a `sampler`, which has its own, but got {seed}."
        )
    if sampler is not None and learn:
        raise InvalidArgumentError(
            f"`learn` must be False with a `sampler`, which learns if it is a SurrogateSampler, "
            f"but got {learn} with {type(sampler).__name__}."
        )


class Samplers(NamedTuple):
    """The samplers of a study.

    Args:
        own: The sampler of `optimize`.
        evolution: The initial state of `search`.
    """

    own: BaseSampler
    evolution: Evolution


def samplers_of(
    problem: Problem, sampler: BaseSampler | None, seed: int | None, learn: bool = False
) -> Samplers:
    """Return the given or a new sampler, and the search on predictions.

    Raises:
        InvalidArgumentError: If the sampler is one of this package for another space.
    """
    space = problem.space
    default = EvolutionarySampler(space, estimator=PredictorEstimator(problem), seed=seed)
    if sampler is None:
        sampler = default
        if learn:
            n = N_STARTUP_TRIALS if problem.measured_only else _N_CORRECTING_TRIALS
            sampler = SurrogateSampler(space, n_startup_trials=n, problem=problem, seed=seed)
    if isinstance(sampler, SubnetSampler):
        if sampler.space != space:
            raise InvalidArgumentError(
                f"`sampler` must be for {space}, but is for {sampler.space}."
            )
        sampler.problem = problem
    source = sampler if isinstance(sampler, EvolutionarySampler) else default
    return Samplers(sampler, source.evolution)


def open_study(
    problem: Problem,
    store: BaseStorage,
    name: str,
    samplers: Samplers,
    keep: Keep,
    parameters: Parameters,
    seed: int | None,
) -> SubnetStudy:
    """Return a study in the storage; the given seed is stored with it."""
    made = SubnetStudy(
        study_name=name,
        storage=store,
        sampler=samplers.own,
        evolution=samplers.evolution,
        problem=problem,
        keep=keep,
        parameters=parameters,
    )
    if seed is not None and seed not in given_seeds(made.store):
        made.store.set_attributes(seed_attributes([seed]))
    return made


def make_or_find(
    problem: Problem, store: BaseStorage, study_name: str | None, load_if_exists: bool
) -> str:
    """Create or find the study, and return its name."""
    description = problem.describe()  # first, because it predicts: nothing is created if it raises
    if not load_if_exists:
        return make_study(store, study_name, problem, description).study_name
    existing, stored = find_study(store, study_name, problem, description)
    if stored is not None:
        with storage_errors(store):
            parse({DESCRIPTION: stored}, existing.study_name)
    theirs = unpredicted(stored) if stored else frozenset()
    known = description["predictions"].keys() - unpredicted(description) - theirs
    predictions = {m: ends for m, ends in description["predictions"].items() if m in known}
    description = {**description, "predictions": predictions}  # the other one is stored
    _require_same(existing.study_name, stored, description)
    with storage_errors(store):
        if [d.name.lower() for d in existing.directions] != problem.directions:
            raise ValueError(f"its directions are {existing.directions}")
    return existing.study_name


def _require_same(
    name: str, stored: Mapping[str, Any] | None, description: Mapping[str, Any]
) -> None:
    if stored is None:
        raise StudyMismatchError(
            f"`study_name` must be the name of a study created by optuna_ofa, but {name!r} is not."
        )
    family, own = (table_from_json(d["family"], name) for d in (stored, description))
    if family != own:
        raise StudyMismatchError(
            f"`study_name` must be the name of a study of {own.name} as it is, but {name!r} is of "
            f"{'another' if family.name == own.name else family.name}: "
            f"{family_differences(family, own, 'in the study')}; use another name."
        )
    predictions = {m: stored["predictions"].get(m) for m in description["predictions"]}
    stored = {**stored, "predictions": predictions}
    different = [k for k, v in description.items() if k != "family" and stored.get(k) != v]
    if different:
        key = different[0]
        theirs, ours = _without_equal(stored.get(key), description[key])
        raise StudyMismatchError(
            f"`study_name` must be the name of a study of the same problem, but {name!r} has {key} "
            f"{theirs!r:.500} instead of {ours!r:.500}; use another name."
        )


def _without_equal(one: Any, other: Any) -> tuple[Any, Any]:
    """Return two values, without the entries that they share if both are mappings."""
    if not (isinstance(one, Mapping) and isinstance(other, Mapping)):
        return one, other
    shared = {key for key in one.keys() & other.keys() if one[key] == other[key]}
    theirs, ours = ({k: v for k, v in of.items() if k not in shared} for of in (one, other))
    return theirs, ours
