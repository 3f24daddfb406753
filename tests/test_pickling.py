"""Everything public is pickled and copied with the standard library, and stays the same."""

from __future__ import annotations

import concurrent.futures
import copy
import functools
import importlib
import inspect
import multiprocessing
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

import optuna_ofa
from optuna_ofa import (
    AccuracyMeter,
    AccuracyPredictor,
    EvaluationSettings,
    LatencyMeter,
    LatencyPredictor,
    LatencyTable,
    MeasurementSettings,
    Metric,
    NetworkLatencyPredictor,
    SearchSpace,
    Subnet,
    exceptions,
)
from optuna_ofa.costs import LayerMax, LayerSum
from optuna_ofa.dashboard import PublishEvery
from optuna_ofa.data import packaged_supernet, packaged_table, table_names
from optuna_ofa.deployment import SubnetSwitcher
from optuna_ofa.exceptions import InvalidArgumentError, StorageError
from optuna_ofa.fleets import Fleet
from optuna_ofa.measurements._table import MeasurementTable, Reading
from optuna_ofa.predictors import ConfidenceBound, CostPredictor, FunctionPredictor, recalibrated
from optuna_ofa.predictors._missing import MissingPredictor
from optuna_ofa.predictors._remembered import SharedPredictor
from optuna_ofa.problem import Problem
from optuna_ofa.samplers import (
    Ascents,
    Breeding,
    Constant,
    CostBins,
    EvolutionarySampler,
    Growing,
    NSGAIISampler,
    SurrogateSampler,
)
from optuna_ofa.space import Layer, families, get_family, subnet_layers
from optuna_ofa.studies import Asked, SubnetStudy
from optuna_ofa.training import (
    FineTuning,
    Phase,
    ProgressiveShrinking,
    Run,
    Sandwich,
    TrainingSettings,
)
from optuna_ofa.verification import MicroMeter

ROOMS = sorted(path.parent.name for path in Path(optuna_ofa.__file__).parent.glob("*/__init__.py"))
# Classes that others derive from, which have no objects of their own.
ABSTRACT = {"Meter", "Predictor", "Recipe", "Runtime", "SubnetSampler"}
# Tuples and data classes whose fields are numbers, texts and objects that are tested here.
PLAIN = {"Published", "Readings", "Section", "TransferMatrix"}
# Stays in the process that is connected to a cluster.
ENGINES = {"RayExecutor"}

net = functools.cache(packaged_supernet)
copies = pytest.mark.parametrize(
    "copied", [lambda x: pickle.loads(pickle.dumps(x)), copy.deepcopy], ids=["pickle", "deepcopy"]
)


def by_multiply_adds(matrix: np.ndarray) -> np.ndarray:
    """What a custom predictor may be: a function of a module."""
    return matrix.sum(axis=1).astype(float)


def price(layer: Layer, resolution: int) -> float:
    """What a layer costs."""
    return float(layer.in_channels * resolution)


def space() -> SearchSpace:
    return SearchSpace(net().family)


def table() -> LatencyTable:
    return LatencyTable.load(packaged_table(table_names(net().family)[0], net().family) or "")


def rows() -> np.ndarray:
    return space().sample(60, seed=1)


def percent() -> np.ndarray:
    return np.linspace(60, 80, 60)


def accuracy(model: str = "ridge") -> AccuracyPredictor:
    return AccuracyPredictor.fit(space(), rows(), percent(), model=model)  # type: ignore[arg-type]


def latency(metadata: Any = None, with_table: bool = False) -> NetworkLatencyPredictor:
    given = table() if with_table else None
    ms = np.random.default_rng(0).uniform(1.0, 2.0, 60)
    return NetworkLatencyPredictor.fit(space(), rows(), ms, table=given, metadata=metadata)


def study(storage: str | None = None, **arguments: Any) -> SubnetStudy:
    made = optuna_ofa.study(
        space(), hardware=table(), accuracy=accuracy(), seed=0, storage=storage, **arguments
    )
    made.search(60)
    return made


def evolved(sampler: Any) -> Any:
    sampler.evolution.ask(10)
    return sampler


# An object of each public class, and the classes behind them.
OBJECTS: dict[str, Callable[[], Any]] = {
    "AccuracyMeter": lambda: AccuracyMeter(net(), [], EvaluationSettings(calibration=None)),
    "AccuracyPredictor": accuracy,
    "Ascents": Ascents,
    "Asked": lambda: study().ask_batch(1)[0],
    "Breeding": Breeding,
    "ConfidenceBound": lambda: ConfidenceBound(accuracy(), 1.0),
    "Configuration": lambda: next(iter(SearchSpace.of_choices({"a": [1, 2]}).from_matrix([[0]]))),
    "Constant": Constant,
    "CostBins": CostBins,
    "CostPredictor": lambda: CostPredictor("peak_memory_mb", space()),
    "EvaluationSettings": lambda: EvaluationSettings(calibration=None),
    "Entry": lambda: optuna_ofa.predictors.Entry(1.0, 0.1),
    "Evaluated": lambda: study().results(),
    "Evolution": lambda: evolved(EvolutionarySampler(space(), seed=0)).evolution,
    "EvolutionarySampler": lambda: evolved(EvolutionarySampler(space(), seed=0)),
    "Family": lambda: net().family,
    "FineTuning": lambda: FineTuning(subnet=space().smallest(), n_steps=3),
    "Fleet": lambda: optuna_ofa.fleet(
        space(), hardware={"a": table(), "b": table()}, accuracy=accuracy(), seed=0
    ),
    "Front": lambda: study().front(),
    "FrontPoint": lambda: study().front()[0],
    "Growing": Growing,
    "Head": lambda: net().family.head,
    "MicroMeter": lambda: MicroMeter(
        "sram_kb", net(), EvaluationSettings(calibration=torch.zeros(2, 1, 28, 28))
    ),
    "LatencyMeter": lambda: LatencyMeter(MeasurementSettings()),
    "LatencyPredictor": lambda: LatencyPredictor(table=table(), space=space()),
    "LatencyTable": table,
    "Layer": lambda: subnet_layers(space().smallest())[0],
    "LayerMax": lambda: LayerMax(space(), price),
    "LayerSum": lambda: LayerSum(space(), price),
    "MeasurementSettings": MeasurementSettings,
    "Metric": lambda: Metric("energy_mj", unit="mJ", direction="minimize"),
    "NSGAIISampler": lambda: NSGAIISampler(space(), seed=0),
    "NetworkLatencyPredictor": latency,
    "OptunaOFAError": lambda: exceptions.OptunaOFAError("text"),
    "Phase": lambda: Phase("a", 3, 0.1),
    "PredictionErrors": lambda: optuna_ofa.predictors.PredictionErrors("a", *[1.0] * 9),
    "Problem": lambda: study().problem,
    "ProgressiveShrinking": lambda: ProgressiveShrinking(n_steps=9),
    "PublishEvery": lambda: PublishEvery(3),
    "Run": lambda: Run(space().smallest()),
    "Sandwich": lambda: Sandwich(n_steps=9),
    "SearchSpace": space,
    "Stage": lambda: net().family.stages[0],
    "Stem": lambda: net().family.stem,
    "Subnet": lambda: space().smallest(),
    "SubnetStudy": study,
    "SubnetSwitcher": lambda: SubnetSwitcher(net(), {"a": space().smallest()}, calibration=None),
    "Supernet": net,
    "SurrogateSampler": lambda: SurrogateSampler(space(), seed=0),
    "TrainingSettings": TrainingSettings,
    "Verification": lambda: study().verify({"top1": measured_top1}, points=2, progress=False),
    "a verified point": lambda: (
        study().verify({"top1": measured_top1}, points=1, progress=False).points[0]
    ),
    "a corrected predictor": lambda: recalibrated(
        latency(), rows()[:20], np.linspace(1.0, 1.2, 20), setup={}
    ),
    "a custom predictor": lambda: FunctionPredictor("energy_mj", by_multiply_adds, space()),
    "a missing predictor": lambda: MissingPredictor("top1", space(), "it is not there"),
    "a shared predictor": lambda: SharedPredictor(CostPredictor("n_macs", space())),
    "a snapshot": lambda: study().snapshot(),
    "a study that learns": lambda: study(learn=True),
    "a gaussian process": lambda: accuracy("gaussian_process"),
    "a predictor with a table": lambda: latency(with_table=True),
    **{f"family {name}": functools.partial(get_family, name) for name in families()},
}


def measured_top1(subnet: Subnet) -> float:
    return 70.0 + subnet.depth[0] / 10


def numbers(of: Any) -> Any:
    """What tells two objects of a class without equality apart."""
    match of:
        case SubnetStudy() | Fleet():
            studies = [of] if isinstance(of, SubnetStudy) else list(of.values())
            for one in studies:
                one.search(40)
            return [(s.trials[-1].params, s.trials[-1].values, s.front()) for s in studies]
        case EvolutionarySampler():
            return numbers(of.evolution)
        case Problem():
            return of.describe(), of.evaluate(rows()).values.tolist()
        case _ if hasattr(of, "predict"):
            known = None if isinstance(of, MissingPredictor) else of.predict(rows()).tolist()
            return known, np.array(of.predict_std(rows()), float).tolist().__repr__()
        case torch.nn.Module():
            return {name: tensor.numpy().tobytes() for name, tensor in of.state_dict().items()}
        case tuple() if hasattr(of, "_asdict") and not isinstance(of, Asked):
            return repr(of)
        case _ if hasattr(of, "ask"):
            return of.ask(20).tolist()
        case LayerSum():
            return of(rows()).tolist()
        case _ if type(of).__eq__ is not object.__eq__:
            return of
        case _:
            return sorted(of.__dict__)


def public_classes() -> set[str]:
    modules = [optuna_ofa, *(importlib.import_module(f"optuna_ofa.{room}") for room in ROOMS)]
    named = [(name, getattr(module, name)) for module in modules for name in module.__all__]
    return {name for name, of in named if inspect.isclass(of) and of.__module__ != "builtins"}


def test_every_public_class_is_here() -> None:
    errors = {name for name in dir(exceptions) if name.endswith(("Error", "Warning"))}
    assert public_classes() - errors | {"OptunaOFAError"} == (
        {name for name in OBJECTS if name[0].isupper()} | ABSTRACT | PLAIN | ENGINES
    )


@copies
@pytest.mark.parametrize("name", OBJECTS)
def test_it_comes_back_the_same(name: str, copied: Callable[[Any], Any]) -> None:
    given = OBJECTS[name]()
    back = copied(given)
    assert type(back) is type(given)
    if isinstance(given, exceptions.OptunaOFAError):
        assert back.args == given.args
    else:
        assert numbers(back) == numbers(given)


@pytest.mark.parametrize("name", [n for n in dir(exceptions) if n.endswith(("Error", "Warning"))])
def test_errors_keep_their_words(name: str) -> None:
    assert str(pickle.loads(pickle.dumps(getattr(exceptions, name)("the words")))) == "the words"


def test_measurements_open_their_database_again(tmp_path: Path) -> None:
    given = MeasurementTable(f"sqlite:///{tmp_path}/a.db", space().family, {"device": "phone"})
    subnet = space().smallest()
    given.add([(subnet, Reading("latency_ms", 1.5, 0.1, 20, {}))])
    back = pickle.loads(pickle.dumps(given))
    assert back.read([subnet]) == given.read([subnet])
    back.remove([subnet], "latency_ms")
    assert given.read([subnet]) == {}


class TestStudies:
    """Studies and what they ask for, in other processes."""

    @pytest.fixture(params=["memory", "sqlite", "journal"])
    def storage(self, request: pytest.FixtureRequest, tmp_path: Path) -> Any:
        if request.param == "journal":
            return JournalStorage(JournalFileBackend(str(tmp_path / "log")))
        return f"sqlite:///{tmp_path}/a.db" if request.param == "sqlite" else None

    @pytest.fixture
    def pool(self) -> Iterator[concurrent.futures.Executor]:
        """One process that knows nothing of this one."""
        spawn = multiprocessing.get_context("spawn")
        with concurrent.futures.ProcessPoolExecutor(1, mp_context=spawn) as pool:
            yield pool

    def test_what_is_asked_for_does_not_bring_its_study(self, storage: Any) -> None:
        asked = study(storage).ask_batch(2)
        assert len(pickle.dumps(asked)) < 5000
        assert pickle.loads(pickle.dumps(asked)) == asked == copy.deepcopy(asked)
        assert [one.trial.number for one in copy.deepcopy(asked)] == [60, 61]
        assert pickle.loads(pickle.dumps(asked[0])) != asked[1]

    def test_what_comes_back_is_told(self, storage: Any) -> None:
        made = study(storage)
        asked = pickle.loads(pickle.dumps(made.ask_batch(2)))
        made.tell_batch(asked, [[70.0, 1.0], [71.0, 2.0]])
        assert made.results(kind="measured").values.tolist() == [[70.0, 1.0], [71.0, 2.0]]
        with pytest.raises(InvalidArgumentError, match=r"`asked` must be trials of 'no-name-"):
            study().tell_batch(asked, [[70.0, 1.0], [71.0, 2.0]])

    def test_a_trial_in_memory_is_of_one_process(self) -> None:
        (asked,) = pickle.loads(pickle.dumps(study().ask_batch(1)))
        with pytest.raises(StorageError, match=r"Trial 60 of 'no-name-.* its study is in memory"):
            asked.trial.set_user_attr("measured_std", {"top1": 0.1})
        with pytest.raises(StorageError, match="return the measurement"):
            asked.trial.params  # noqa: B018

    @pytest.mark.parametrize("storage", ["sqlite", "journal"], indirect=True)
    def test_another_process_notes_what_it_measures(
        self, storage: Any, pool: concurrent.futures.Executor
    ) -> None:
        made = study(storage)
        (asked,) = made.ask_batch(1)
        code = "asked.trial.set_user_attr('measured_std', {'top1': 0.5}) or asked"
        back = pool.submit(eval, code, {"asked": asked}).result()
        made.tell_batch([back], [[70.0, 1.0]])
        assert made.front()[0].std == {"top1": 0.5}
        assert back.trial.params == made.trials[60].params

    def test_another_process_searches(
        self, storage: Any, pool: concurrent.futures.Executor
    ) -> None:
        made = study(storage)
        pool.submit(made.search, 40).result()
        assert len(made.trials) == (60 if storage is None else 100)  # memory is copied
        made.search(until=100)
        alone = study()
        alone.search(40)
        assert made.results().matrix.tolist() == alone.results().matrix.tolist()
