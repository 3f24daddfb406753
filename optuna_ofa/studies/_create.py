"""Creating studies: `optuna_ofa.study`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from optuna.storages import BaseStorage

from optuna_ofa._arguments import AnyPath, NonNegativeFloat, Seed, StorageUrl, Text, checked
from optuna_ofa.data import (
    AccuracySource,
    Found,
    HardwareSource,
    covered_space,
    family_of,
    find_accuracy,
    find_hardware,
    predictor_on,
)
from optuna_ofa.exceptions import DownloadError, InvalidArgumentError, StudyMismatchError
from optuna_ofa.predictors import COSTS, ConfidenceBound, CostPredictor, MissingPredictor, Predictor
from optuna_ofa.problem import Keep, Metric, Problem, known_metrics
from optuna_ofa.samplers import (
    N_STARTUP_TRIALS,
    EvolutionarySampler,
    PredictorEstimator,
    SubnetSampler,
    SurrogateSampler,
)
from optuna_ofa.space import Family, SearchSpace, family_differences, family_from_json
from optuna_ofa.storage import find_study, make_study, open_storage, storage_errors
from optuna_ofa.studies._seeds import given_seeds, seed_attributes
from optuna_ofa.studies._stored import (
    Stored,
    read_stored,
    remember_predictors,
    unknown_predictor,
    unpredicted,
)
from optuna_ofa.studies._study import SubnetStudy

# The predictors know the sizes already, so the start serves to correct them.
_N_STARTUP_TRIALS = 10
_OBJECTIVES = ("top1", "latency_ms")


@checked
def study(
    space: AnyPath | Family | SearchSpace | None = None,
    *,
    hardware: HardwareSource | None = None,
    accuracy: AccuracySource | None = None,
    predictors: Sequence[Metric] = (),
    objectives: Sequence[str | Metric] | None = None,
    constraints: Mapping[str, float] | None = None,
    storage: StorageUrl | BaseStorage | None = None,
    study_name: Text | None = None,
    load_if_exists: bool = False,
    sampler: SubnetSampler | None = None,
    seed: Seed | None = None,
    learn: bool = False,
    caution: NonNegativeFloat = 0.0,
    keep: Keep = "all",
) -> SubnetStudy:
    """Create or continue a study that searches a supernet for Pareto-optimal subnets.

    Args:
        space: A family by name, file or value (`get_family`), or a `SearchSpace`. The resolutions
            of a family are cut down to those that the predictors cover; a space is taken as it is.
            None opens the study ``study_name`` of the storage as it is there: space, objectives,
            constraints, caution, and the predictors that were given by name or file. Predictors
            that the storage does not know are needed only where something is predicted.
        hardware: The device: a latency table, its file or folder, the file of a
            `NetworkLatencyPredictor`, the name of a published (``"note10"``, ``"i7-8700k"``) or
            packaged table, or a `Predictor` or function of your own (`FunctionPredictor`). None
            takes the family's packaged table.
        accuracy: An accuracy predictor, its file, the name of a published one, or a function of
            your own. None takes the family's packaged or published one.
        predictors: Metrics of your own that ``objectives`` or ``constraints`` name, each with its
            predictor; one without is only measured.
        objectives: Metrics in the order of a trial's values: ``top1`` (percent, up),
            ``latency_ms``, ``n_macs``, ``n_params``, ``moved_mb``, ``peak_memory_mb`` (all down),
            or your own, by name or as a `Metric`. None is ``("top1", "latency_ms")``.
        constraints: Bounds by metric, also of metrics that are no objectives: upper ones, and
            lower ones for what is maximised, such as ``top1``.
        storage: An Optuna storage or its URL; None keeps the study in memory.
        study_name: Name of the study in its storage.
        load_if_exists: Continue a study of that name instead of refusing it.
        sampler: The sampler of `optimize`; None is an `EvolutionarySampler` with ``seed``. A
            `SurrogateSampler` also chooses what `SubnetStudy.ask_batch` gives.
        seed: Seed of the search; not together with ``sampler``.
        learn: Whether `optimize` and `SubnetStudy.ask_batch` choose by what was measured: by
            `SurrogateSampler`, which corrects the predictors; not together with ``sampler``.
            `SubnetStudy.search` searches on the predictors as they are.
        caution: How many standard deviations predicted accuracies are taken to be lower than
            they are (`ConfidenceBound`), so that the search does not find what the predictor
            flatters. The study's description and its front say so.
        keep: What `SubnetStudy.search` writes. ``"all"`` makes every evaluation a trial.
            ``"front"`` makes trials of those only that satisfy the constraints and that no other
            known trial dominates, and notes a summary of each generation, which
            `SubnetStudy.generations` reads; what is not written is unknown to other workers and
            after a restart. ``"sample"`` writes every twentieth evaluation as well, feasible or
            not, so that a drawing of the trials shows where the others lie.

    Returns:
        A study, which is an `optuna.Study`.

    Raises:
        InvalidArgumentError: If an argument breaks a rule.
        FamilyMismatchError: If a predictor or table is for another family.
        MissingEntryError: If a table lacks a layer of the space.
        MissingDependencyError: If the driver of the storage's database is not installed.
        StorageError: If the database cannot be reached or written.
        StudyMismatchError: If the study exists, but searches for something else.
        optuna.exceptions.DuplicatedStudyError: If it exists and ``load_if_exists`` is False.
    """
    if sampler is not None and seed is not None:
        raise InvalidArgumentError(
            f"`seed` must be None with a `sampler`, which has its own, but got {seed}."
        )
    store = stored = None
    if space is None:
        _require_unset(objectives=objectives, constraints=constraints, caution=caution or None)
        store = open_storage(storage)
        with storage_errors(storage):
            stored = read_stored(store, study_name)
        space, caution, load_if_exists = stored.space, stored.caution, True
        objectives, constraints = stored.objectives, stored.constraints
        predictors = _with_stored(predictors, stored)
    objectives = _OBJECTIVES if objectives is None else objectives
    family = family_of(space)
    known = known_metrics(objectives, predictors)
    names = [of.name if isinstance(of, Metric) else of for of in objectives]
    metrics = dict.fromkeys((*names, *(constraints or {})))
    found: dict[str, Found] = {}
    if "top1" in metrics:
        found["top1"] = _source("accuracy", accuracy, family, stored)
    elif caution:
        raise InvalidArgumentError(
            f"`caution` must be 0 where top1 is neither an objective nor constrained, but got "
            f"{caution}."
        )
    if "latency_ms" in metrics:
        found["latency_ms"] = _source("hardware", hardware, family, stored)
    if not isinstance(space, SearchSpace):
        own = [known[m].predictor for m in metrics if m in known]
        sources = [*found.values(), *(of for of in own if of is not None)]
        space = covered_space(family, sources)
    on_space = {m: predictor_on(space, m, of) for m, of in found.items()}
    on_space |= {m: CostPredictor(m, space) for m in metrics if m in COSTS}
    if "top1" in on_space and not isinstance(on_space["top1"], MissingPredictor):
        on_space["top1"] = _cautious(on_space["top1"], caution)
    problem = Problem(
        space=space,
        objectives=objectives,
        constraints=constraints or {},
        predictors=on_space,
        own=predictors,
    )
    if sampler is not None and learn:
        raise InvalidArgumentError(
            f"`learn` must be False with a `sampler`, which learns if it is a SurrogateSampler, "
            f"but got {learn} with {type(sampler).__name__}."
        )
    default = EvolutionarySampler(space, estimator=PredictorEstimator(problem), seed=seed)
    if sampler is None:
        sampler = default
        if learn:
            n = N_STARTUP_TRIALS if problem.measured_only else _N_STARTUP_TRIALS
            sampler = SurrogateSampler(space, n_startup_trials=n, problem=problem, seed=seed)
    if sampler.space != space:
        raise InvalidArgumentError(f"`sampler` must be of {space}, but is of {sampler.space}.")
    sampler.problem = problem
    store = store or open_storage(storage)  # only now, for nothing is made for a wrong argument
    with storage_errors(storage):
        name = _open(problem, store, study_name, load_if_exists)
        made = SubnetStudy(
            study_name=name,
            storage=store,
            sampler=sampler,
            evolution=(sampler if isinstance(sampler, EvolutionarySampler) else default).evolution,
            problem=problem,
            keep=keep,
        )
        remember_predictors(made, hardware=hardware, accuracy=accuracy)
        if seed is not None and seed not in given_seeds(made.store):
            made.store.set_attributes(seed_attributes([seed]))
        return made


def _require_unset(**arguments: object) -> None:
    """Refuse arguments beside a study that is opened as it is."""
    for name, value in arguments.items():
        if value is not None:
            raise InvalidArgumentError(
                f"`{name}` must be left out where `space` is None, because the study has its own, "
                f"but got {value!r}."
            )


def _source(argument: str, given: Any, family: Family, stored: Stored | None) -> Any:
    """Return a predictor or table: as given, as a stored study says, or the default.

    A stored study can be read without, so what cannot be found for it is unknown.
    """
    find = find_accuracy if argument == "accuracy" else find_hardware
    if stored is None or given is not None:
        return find(given, family)
    try:
        return find(stored.predictors.get(argument), family)
    except (InvalidArgumentError, DownloadError):
        metric = "top1" if argument == "accuracy" else "latency_ms"
        return unknown_predictor(metric, stored.space)


def _cautious(predictor: Predictor, caution: float) -> Predictor:
    """Return the predictor, or its lower confidence bound.

    Raises:
        InvalidArgumentError: If ``caution`` is negative, or the predictor has no deviations.
    """
    try:
        return ConfidenceBound(predictor, caution) if caution else predictor
    except InvalidArgumentError as error:
        raise InvalidArgumentError(
            f"`caution` must be 0, or a positive number with an `accuracy` that knows its "
            f"standard deviations, but got {caution}: {error}"
        ) from error


def _with_stored(given: Sequence[Metric], stored: Stored) -> list[Metric]:
    """Return the own metrics of a stored study, with the predictors that are given.

    Raises:
        InvalidArgumentError: If one is not of the study.
    """
    by_name = {metric.name: metric for metric in given}
    own = {metric.name: metric for metric in stored.own}
    for name, metric in by_name.items():
        if metric != own.get(name):
            raise InvalidArgumentError(
                f"`predictors` must be metrics of the study, {[*own.values()]}, but got {metric}."
            )
    missing = own.keys() - by_name.keys() - stored.measured_only
    space = stored.space
    return [
        replace(of, predictor=unknown_predictor(m, space)) if m in missing else by_name.get(m, of)
        for m, of in own.items()
    ]


def _open(
    problem: Problem, store: BaseStorage, study_name: str | None, load_if_exists: bool
) -> str:
    """Make or find the study, and return its name."""
    if not load_if_exists:
        return make_study(store, study_name, problem).study_name
    existing, stored = find_study(store, study_name, problem)
    description = problem.describe()
    theirs = unpredicted(stored) if stored else frozenset()
    known = description["predictions"].keys() - unpredicted(description) - theirs
    description["predictions"] = {
        m: ends for m, ends in description["predictions"].items() if m in known
    }
    _require_same(existing.study_name, stored, description)
    return existing.study_name


def _require_same(
    name: str, stored: Mapping[str, Any] | None, description: Mapping[str, Any]
) -> None:
    if stored is None:
        raise StudyMismatchError(
            f"`study_name` must be of a study that optuna_ofa made, but {name!r} was not made by "
            f"it."
        )
    theirs, ours = (family_from_json(d["family"], name) for d in (stored, description))
    if theirs != ours:
        raise StudyMismatchError(
            f"`study_name` must be of a study of the family {ours.name} as it is, but {name!r} is "
            f"of {'another' if theirs.name == ours.name else theirs.name}: "
            f"{family_differences(theirs, ours, 'in the study')}; use another name."
        )
    predictions = {m: stored["predictions"].get(m) for m in description["predictions"]}
    stored = {**stored, "predictions": predictions}
    different = [k for k, v in description.items() if k != "family" and stored.get(k) != v]
    if different:
        key = different[0]
        raise StudyMismatchError(
            f"`study_name` must be of a study of the same problem, but {name!r} "
            f"has {key} {stored.get(key)}, and {description[key]} was asked for; use another name."
        )
