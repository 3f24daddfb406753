"""Creating studies: `optuna_ofa.study`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage

from optuna_ofa._arguments import AnyPath, NonNegativeFloat, Seed, StorageUrl, Text, checked
from optuna_ofa.data import (
    AccuracySource,
    Found,
    HardwareSource,
    choices_of,
    covered_space,
    find_accuracy,
    find_board,
    find_hardware,
)
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.problem import Keep, Metric, Parameters, board_constraints, known_metrics
from optuna_ofa.space import Family, SearchSpace
from optuna_ofa.storage import open_storage
from optuna_ofa.studies._making import (
    make_or_find,
    open_study,
    problem_of,
    require_one_source,
    samplers_of,
)
from optuna_ofa.studies._stored import remember_learning, remember_predictors
from optuna_ofa.studies._study import SubnetStudy

_OBJECTIVES = ("top1", "latency_ms")
_ON_A_BOARD = ("top1", "n_macs")  # whose latencies are not known without a table


@checked
def study(
    space: AnyPath | Family | SearchSpace,
    *,
    hardware: HardwareSource | None = None,
    accuracy: AccuracySource | None = None,
    predictors: Sequence[Metric] = (),
    objectives: Sequence[str | Metric] | None = None,
    constraints: Mapping[str, float] | None = None,
    board: Text | None = None,
    storage: StorageUrl | BaseStorage | None = None,
    study_name: Text | None = None,
    load_if_exists: bool = False,
    sampler: BaseSampler | None = None,
    seed: Seed | None = None,
    learn: bool = False,
    caution: NonNegativeFloat = 0.0,
    keep: Keep = "all",
    parameters: Parameters = "all",
) -> SubnetStudy:
    """Create or continue a study that searches a supernet for Pareto-optimal subnets.

    Args:
        space: A family by name, file or value (`get_family`), or a `SearchSpace`. The resolutions
            of a family are reduced to those that the predictors cover; a space is used unchanged.
        hardware: The device: a latency table, its file or folder, the file of a
            `NetworkLatencyPredictor`, the name of a published (``"note10"``, ``"i7-8700k"``) or
            packaged table, or a custom `Predictor` or function (`FunctionPredictor`). None uses
            the family's packaged table.
        accuracy: An accuracy predictor, its file, the name of a published one, or a custom
            function. None uses the family's packaged or published predictor; ``"linear"`` the
            packaged linear one of ``ofa_mbv3_w1.0``, which is less exact.
        predictors: Custom metrics named in ``objectives`` or ``constraints``, each with its
            predictor; a metric without one is only measured.
        objectives: Metrics in the order of a trial's values: ``top1`` (percent,
            maximised), ``latency_ms``, ``n_macs``, ``n_params``, ``moved_mb``,
            ``peak_memory_mb``, ``sram_kb``, ``flash_kb`` (all minimised), or custom ones, by name
            or as a `Metric`. None means ``("top1", "latency_ms")``, and ``("top1", "n_macs")`` for
            a ``board`` without ``hardware``.
        constraints: Bounds by metric, also for metrics that are not objectives: upper bounds, or
            lower bounds for maximised metrics such as ``top1``.
        board: A microcontroller by name, such as ``"stm32f746"`` (`optuna-ofa boards` lists them).
            Its SRAM and its flash memory become bounds of ``sram_kb`` and ``flash_kb``: of the
            arena that TFLite Micro needs for the subnet in INT8, and of its file. The whole memory
            is the bound; ``constraints`` leave a part to the application, because the smaller of
            two bounds applies.
        storage: An Optuna storage or its URL; None keeps the study in memory.
        study_name: Name of the study in its storage.
        load_if_exists: Continue an existing study of that name instead of raising an error.
        sampler: The sampler of `optimize`, one of this package or of Optuna; None means an
            `EvolutionarySampler` with ``seed``. `SubnetStudy.search` and `SubnetStudy.ask_batch`
            use the evolutionary search with any of them; a `SurrogateSampler` also chooses the
            subnets of `ask_batch`.
        seed: Seed of the search; not together with ``sampler``.
        learn: Whether `optimize` and `SubnetStudy.ask_batch` learn from measurements, with a
            `SurrogateSampler`, which corrects the predictors; not together with ``sampler``.
            `SubnetStudy.search` uses the predictors uncorrected. `load_study` opens a study that
            was created with it as one that learns.
        caution: Number of standard deviations by which predicted accuracies are lowered
            (`ConfidenceBound`), so that the search does not favour subnets that the predictor
            overestimates. The study's description and its front say so.
        keep: What `SubnetStudy.search` writes. ``"all"`` makes every evaluation a trial.
            ``"front"`` makes trials only of those that satisfy the constraints and that no other
            known trial dominates; all evaluations of a generation and a summary of it
            (`SubnetStudy.generations`) become attributes of the study, from which other workers
            and new processes continue. ``"sample"`` also makes trials of every twentieth
            evaluation, feasible or not, so that figures show where the others lie.
        parameters: Which of these trials get parameters, which take nine tenths of their bytes.
            ``"front"`` writes them only for trials that extend the front, so that a file is a third
            to an eighth as large and Optuna Dashboard opens it sooner. Every trial has the user
            attributes ``subnet`` and ``subnet_text``, from which this package reads it, and gives
            the trials of this object (`trials`, importances and plots of Optuna, samplers) their
            parameters. Only other readers of the storage miss them: a plain `optuna.Study` has no
            importances, and those of Optuna Dashboard, its slices, contours and ranks are of the
            trials with parameters alone.

    Returns:
        A study, which is an `optuna.Study`.

    Raises:
        InvalidArgumentError: If an argument breaks a rule.
        FamilyMismatchError: If a predictor or table is for another family.
        InfeasibleConstraintError: If no subnet of the space fits the board; names the nearest one,
            and a board that it fits.
        MissingEntryError: If a table lacks a layer of the space.
        MissingDependencyError: If the driver of the storage's database is not installed.
        StorageError: If the database cannot be reached or written.
        StudyMismatchError: If the study exists, but for another problem.
        optuna.exceptions.DuplicatedStudyError: If it exists and ``load_if_exists`` is False.
    """
    require_one_source(sampler, seed, learn)
    on = None if board is None else find_board(board)
    if objectives is None:
        objectives = _OBJECTIVES if on is None or hardware is not None else _ON_A_BOARD
    table = choices_of(space)
    known = known_metrics(objectives, predictors)
    names = [of.name if isinstance(of, Metric) else of for of in objectives]
    constraints = (
        dict(constraints or {}) if on is None else board_constraints(on, constraints or {})
    )
    metrics = dict.fromkeys((*names, *constraints))
    found: dict[str, Found] = {}
    if "top1" in metrics:
        found["top1"] = find_accuracy(accuracy, table)
    elif caution:
        raise InvalidArgumentError(
            f"`caution` must be 0 where top1 is neither an objective nor constrained, but got "
            f"{caution}."
        )
    if "latency_ms" in metrics:
        found["latency_ms"] = find_hardware(hardware, table)
    if not isinstance(space, SearchSpace):
        own = [known[m].predictor for m in metrics if m in known]
        sources = [*found.values(), *(of for of in own if of is not None)]
        space = covered_space(space, sources)
    problem = problem_of(space, objectives, constraints, found, predictors, caution, on)
    problem.require_fits()
    samplers = samplers_of(problem, sampler, seed, learn)
    store = open_storage(storage)  # only now, so that nothing is created for a wrong argument
    name = make_or_find(problem, store, study_name, load_if_exists)
    made = open_study(problem, store, name, samplers, keep, parameters, seed)
    remember_predictors(made, hardware=hardware, accuracy=accuracy)
    if learn:
        remember_learning(made)
    return made
