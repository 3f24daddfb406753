"""One valid argument at a time is replaced by wrong ones: accepted, or refused by its name."""

from __future__ import annotations

import datetime
import inspect
import math
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
import torch

import optuna_ofa
from optuna_ofa import (
    AccuracyMeter,
    AccuracyPredictor,
    EvaluationSettings,
    LatencyMeter,
    LatencyPredictor,
    LatencyTable,
    MeasurementSettings,
    NetworkLatencyPredictor,
    OptunaOFAError,
    SearchSpace,
    Subnet,
    Supernet,
)
from optuna_ofa.data import packaged_supernet, packaged_table, table_names
from optuna_ofa.deployment import SubnetSwitcher, figures_of
from optuna_ofa.fronts import Front, FrontPoint, nondominated
from optuna_ofa.predictors import (
    ConfidenceBound,
    CostPredictor,
    Entry,
    FunctionPredictor,
    merge_tables,
)
from optuna_ofa.pretrained import calibrate
from optuna_ofa.samplers import (
    Breeding,
    Constant,
    EvolutionarySampler,
    Growing,
    NSGAIISampler,
    SurrogateSampler,
)
from optuna_ofa.space import (
    Configuration,
    layers_from_net_config,
    mobilenet_v3_small_images,
    net_config,
    read_net_config,
    subnet_from_dialect,
    subnet_from_net_config,
    subnet_layers,
    subnet_to_dialect,
)
from optuna_ofa.supernet import resize_images
from optuna_ofa.training import (
    FineTuning,
    Phase,
    ProgressiveShrinking,
    Run,
    Sandwich,
    TrainingSettings,
)
from optuna_ofa.verification import MicroMeter

NET = packaged_supernet()
FAMILY = NET.family
SPACE = SearchSpace(FAMILY)
SUBNET = SPACE.smallest()
MATRIX = SPACE.sample(30, seed=0)
TABLE = LatencyTable.load(packaged_table(table_names(FAMILY)[0], FAMILY) or "")
STEM = re.findall(r":([0-9x]+)", next(k for k in TABLE.content.sections[0].entries if "stem" in k))
LATENCY = LatencyPredictor(table=TABLE, space=SPACE)
WHOLE = NET.extract(SPACE.largest()).state_dict()
ACCURACY = AccuracyPredictor.fit(SPACE, MATRIX, np.linspace(60, 70, 30))
MACS = CostPredictor("n_macs", SPACE).predict
IMAGES = torch.randn(32, 1, 28, 28, generator=torch.Generator().manual_seed(0))
LOADER = [(IMAGES, torch.arange(32) % 10)]
POINT = FrontPoint(SUBNET, {"top1": 70.0, "latency_ms": 1.0}, {}, "predicted", 0)
FRONT = Front([POINT], ["top1", "latency_ms"])
CHOICES = SearchSpace.of_choices({"a": [1, 2], "b": ["x"]}, active={"b": ("a", [1])})
TABLE_OF_CHOICES, CONFIGURATION = CHOICES.table, CHOICES.smallest()
CONFIG = net_config(SearchSpace("ofa_mbv3_w1.0").smallest())
STUDY = optuna_ofa.study(SPACE, hardware=TABLE, accuracy=ACCURACY, seed=0)
STUDY.search(20)
LINEAR = optuna_ofa.study(
    SearchSpace("ofa_mbv3_w1.0").restrict(resolution=224, depth=2, kernel=3, expand=3),
    accuracy="linear",
)
BOUND = LINEAR.bound()
METERS = {"top1": lambda _: 70.0, "latency_ms": lambda _: 1.0}
REFINED = optuna_ofa.study(SPACE.restrict(depth=2, expand=3), hardware=TABLE, accuracy=ACCURACY)
REFINED.search(20)
REFINED.refine(METERS, budget=1)
MEASURED = optuna_ofa.study(SPACE, hardware=TABLE, accuracy=ACCURACY, seed=0)
EXECUTOR = ThreadPoolExecutor(1)
TRIAL = optuna.trial.FixedTrial(SPACE.to_params(MATRIX[:1])[0])


def wrong(folder: Path) -> list[Any]:
    """Values that are right for few arguments; an iterator is made anew for each call."""
    return [
        None, True, False, "", "text", "100", b"x", math.nan, math.inf, -math.inf, -1, 0, 0.5, 1.5,
        10**30, -(10**30), 1e300, 1j, [], [None], ["a"], [math.nan], [-1], (), {}, {"a": 1},
        {1: "x"}, set(), object(), lambda: None, int, folder, str(folder), folder / "absent" / "x",
        np.array([]), np.zeros((2, 3)), np.array([None]), np.array(math.nan), np.array(["a"]),
        torch.zeros(3), torch.full((4, 1, 28, 28), math.nan), torch.tensor(math.nan),
        pd.DataFrame({"a": [1, 2]}), pd.Series([1.0, 2.0]), iter(range(3)), range(3),
        datetime.date(2020, 1, 1), ValueError("x"),
    ]  # fmt: skip


# A call of each callable with valid arguments only.
CALLS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "AccuracyMeter": (
        AccuracyMeter,
        {
            "supernet": NET, "loader": LOADER,
            "settings": EvaluationSettings(calibration=IMAGES), "storage": None,
            "fitted_on": None, "precision": None, "runtime": None, "race": False,
        },
    ),
    "AccuracyPredictor.fit": (
        AccuracyPredictor.fit,
        {
            "space": SPACE, "subnets": MATRIX, "top1": np.linspace(60, 70, 30), "model": "ridge",
            "penalty": None, "seed": 0, "metadata": None, "group": [0, 1, 2] * 10, "prior": None,
        },
    ),
    "AccuracyPredictor.load": (AccuracyPredictor.load, {"path": "accuracy.json", "family": FAMILY}),
    "AccuracyPredictor.predict": (ACCURACY.predict, {"matrix": MATRIX}),
    "AccuracyPredictor.save": (ACCURACY.save, {"path": "a.json"}),
    "Breeding": (Breeding, {"mating": lambda costs, n, rng: None}),
    "ConfidenceBound": (ConfidenceBound, {"predictor": ACCURACY, "k": 1.0}),
    "Constant": (Constant, {"size": 3}),
    "CostPredictor": (CostPredictor, {"metric": "n_macs", "space": SPACE}),
    "EvaluationSettings": (
        EvaluationSettings,
        {
            "calibration": IMAGES,
            "n_calibration": 9,
            "worker": None,
            "data": "x",
            "device": "cpu",
            "rungs": (10, 20), "tolerance": 0.5, "processes": 1,
            "precision": None,
            "runtime": None,
        },
    ),
    "FineTuning": (
        FineTuning,
        {"subnet": SUBNET, "n_steps": 9, "learning_rate": 0.1, "n_warmup_steps": 1},
    ),
    "Front.best": (FRONT.best, {"latency_ms": 5.0, "top1": 1.0}),
    "Front.modes": (FRONT.modes, {"limits": {"low": 5.0}, "metric": "latency_ms"}),
    "FunctionPredictor": (
        FunctionPredictor,
        {"metric": "energy_mj", "function": MACS, "space": SPACE, "takes": None},
    ),
    "Front.hypervolume": (FRONT.hypervolume, {"reference": {"top1": 60.0, "latency_ms": 9.0}}),
    "Front.to_csv": (FRONT.to_csv, {"path": "a.csv"}),
    "Growing": (Growing, {"share": 0.1, "smallest": 3, "largest": 30, "first": 3}),
    "MicroMeter": (MicroMeter, {"metric": "sram_kb", "supernet": None, "settings": None}),
    "LatencyMeter": (
        LatencyMeter,
        {
            "settings": None, "anchor_ms": 1.0, "folder": None, "storage": None,
            "executor": EXECUTOR,
        },
    ),
    "LatencyPredictor": (LatencyPredictor, {"table": TABLE, "space": SPACE}),
    "LatencyPredictor.predict": (LATENCY.predict, {"matrix": MATRIX}),
    "LatencyTable.covered": (TABLE.covered, {"resolutions": [28]}),
    "LatencyTable.from_measurements": (
        LatencyTable.from_measurements,
        {
            "family": FAMILY,
            "resolutions": [28],
            "latencies": {subnet_layers(SUBNET)[0]: Entry(1.0)},
            "metadata": {},
        },
    ),
    "LatencyTable.layer": (
        TABLE.layer,
        {"layer": subnet_layers(SUBNET)[0], "resolution": SUBNET.resolution, "n_classes": 10},
    ),
    "LatencyTable.load": (LatencyTable.load, {"path": "table.json"}),
    "LatencyTable.query": (
        TABLE.query,
        {
            "l_type": "stem", "input_shape": STEM[0], "output_shape": STEM[1], "expand": None,
            "ks": None, "stride": None, "id_skip": None, "se": None, "h_swish": None,
            "resolution": None,
        },
    ),
    "LatencyTable.save": (TABLE.save, {"path": "a.json"}),
    "MeasurementSettings": (
        MeasurementSettings,
        {
            "threads": 1, "batch": 1, "precision": "float32", "device": "cpu", "pin": (),
            "runtime": "torch", "n_rounds": 1, "max_spread": 0.1,
        },
    ),
    "EvolutionarySampler": (
        EvolutionarySampler,
        {"space": SPACE, "population_size": 9, "n_candidates": 9, "ascents": None, "seed": 0},
    ),
    "NSGAIISampler": (NSGAIISampler, {"space": SPACE, "population_size": 9, "seed": 0}),
    "Metric": (
        optuna_ofa.Metric,
        {
            "name": "energy_mj", "unit": "mJ", "direction": "minimize", "title": "Energy",
            "predictor": None,
        },
    ),
    "NetworkLatencyPredictor.choose": (
        NetworkLatencyPredictor.choose,
        {"space": SPACE, "n": 3, "candidates": SPACE.sample(5, seed=0), "seed": 0},
    ),
    "NetworkLatencyPredictor.load": (NetworkLatencyPredictor.load, {"path": "a.json"}),
    "Phase": (Phase, {"name": "a", "n_steps": 9, "learning_rate": 0.1, "n_warmup_steps": 1}),
    "ProgressiveShrinking": (
        ProgressiveShrinking,
        {"n_steps": 9, "learning_rate": 0.1, "shares": {}, "rates": {}, "warmup": 0.1},
    ),
    "Run": (Run, {"subnet": SUBNET, "label_ratio": 1.0, "soft_ratio": 0.0, "teacher": None}),
    "Sandwich": (
        Sandwich,
        {"n_steps": 9, "learning_rate": 0.1, "n_warmup_steps": 0, "teacher": "frozen"},
    ),
    "Configuration": (Configuration, {"table": TABLE_OF_CHOICES, "genotype": (1, 0)}),
    "Configuration.from_dict": (
        Configuration.from_dict,
        {"data": CONFIGURATION.to_dict(), "table": TABLE_OF_CHOICES},
    ),
    "Configuration.from_json": (
        Configuration.from_json,
        {"text": CONFIGURATION.to_json(), "table": TABLE_OF_CHOICES},
    ),
    "Configuration.of": (
        Configuration.of,
        {"table": TABLE_OF_CHOICES, "values": {"a": 1, "b": "x"}},
    ),
    "SearchSpace": (SearchSpace, {"family": FAMILY, "resolution": [28]}),
    "SearchSpace.canonicalize": (SPACE.canonicalize, {"matrix": MATRIX}),
    "SearchSpace.check": (SPACE.check, {"matrix": MATRIX}),
    "SearchSpace.from_matrix": (SPACE.from_matrix, {"matrix": MATRIX}),
    "SearchSpace.from_params": (SPACE.from_params, {"params": SPACE.to_params(MATRIX)}),
    "SearchSpace.of_choices": (
        SearchSpace.of_choices,
        {"choices": {"a": [1, 2], "b": ["x"]}, "name": "table", "active": {"b": ("a", [1])}},
    ),
    "SearchSpace.restrict": (
        SPACE.restrict,
        {"resolution": [28], "depth": 2, "kernel": 3, "expand": [3], "parameters": {}},
    ),
    "SearchSpace.sample": (SPACE.sample, {"n": 3, "seed": 0, "uniform_over": "choices"}),
    "SearchSpace.subnet": (SPACE.subnet, {"resolution": 28, "depth": 2, "kernel": 3}),
    "SearchSpace.suggest": (SPACE.suggest, {"trial": TRIAL}),
    "SearchSpace.to_matrix": (SPACE.to_matrix, {"subnets": [SUBNET]}),
    "SearchSpace.to_params": (SPACE.to_params, {"matrix": MATRIX}),
    "Subnet": (
        Subnet,
        {
            "family": FAMILY, "resolution": 28, "depth": SUBNET.depth, "kernel": SUBNET.kernel,
            "expand": SUBNET.expand,
        },
    ),
    "Subnet.from_dict": (Subnet.from_dict, {"data": SUBNET.to_dict(), "family": FAMILY}),
    "Subnet.from_json": (Subnet.from_json, {"text": SUBNET.to_json(), "family": FAMILY}),
    "SubnetStudy.enqueue_trial": (STUDY.enqueue_trial, {"params": TRIAL.params}),
    "SubnetStudy.front": (STUDY.front, {"kind": "predicted"}),
    "SubnetStudy.measure_batches": (
        MEASURED.measure_batches,
        {
            "devices": {"a": lambda _: [70.0, 1.0]}, "n": 1, "in_flight": 1, "timeout": 0.0,
            "measurement_timeout": 1.0, "progress": False, "callbacks": [],
        },
    ),
    "SubnetStudy.optimize": (
        STUDY.optimize,
        {
            "func": lambda trial: (70.0, 1.0), "n_trials": 0, "timeout": 0.0, "n_jobs": 1,
            "catch": (), "callbacks": [], "gc_after_trial": False, "show_progress_bar": False,
        },
    ),
    "FrontBound.at": (BOUND.at, {"costs": 15.0}),
    "FrontBound.gap": (BOUND.gap, {"front": BOUND.front, "costs": [15.0]}),
    "SubnetStudy.bound": (LINEAR.bound, {"tolerance": 1.0}),
    "SubnetStudy.refine": (
        REFINED.refine,
        {
            "measure": METERS, "budget": 1, "rounds": 1, "tolerance": 0.0, "progress": False,
            "executor": EXECUTOR, "timeout": 0.0, "callbacks": [],
        },
    ),
    "SubnetStudy.results": (STUDY.results, {"kind": "predicted"}),
    "SubnetStudy.search": (
        STUDY.search,
        {
            "until": 20, "timeout": 0.0, "progress": False, "callbacks": [],
            "callbacks_for": "best",
        },
    ),
    "SubnetStudy.seconds": (STUDY.seconds, {"numbers": [0]}),
    "SubnetSwitcher": (
        SubnetSwitcher,
        {"supernet": NET, "modes": {"a": SUBNET}, "calibration": IMAGES, "n_calibration": 32},
    ),
    "Supernet": (Supernet, {"family": FAMILY, "dropout": 0.1, "own_projections": True}),
    "Supernet.extract": (NET.extract, {"subnet": SUBNET}),
    "SurrogateSampler": (
        SurrogateSampler,
        {"space": SPACE, "n_startup_trials": 3, "batch_size": 2, "optimism": 1.0, "priors": None},
    ),
    "TrainingSettings": (
        TrainingSettings,
        {
            "seed": 0, "momentum": 0.9, "weight_decay": 0.0, "label_smoothing": 0.1,
            "max_gradient_norm": None, "n_accumulated": 1, "average_decay": None,
            "mixed_precision": "bfloat16", "sync_batch_norm": False, "optimizer": None,
            "scheduler": None,
        },
    ),
    "figures_of": (figures_of, {"point": POINT, "device": "phone"}),
    "get_family": (optuna_ofa.get_family, {"family": "ofa_mbv3_w1.0"}),
    "layers_from_net_config": (layers_from_net_config, {"config": CONFIG, "resolution": 28}),
    "load_study": (
        optuna_ofa.load_study,
        {
            "study_name": STUDY.study_name, "storage": STUDY._storage, "hardware": TABLE,
            "accuracy": ACCURACY, "predictors": [], "sampler": None, "seed": 0, "learn": False,
            "keep": "all", "parameters": "all",
        },
    ),
    "load_supernet": (optuna_ofa.load_supernet, {"weights": "net.pth", "dropout": 0.0}),
    "merge_tables": (merge_tables, {"first": TABLE, "second": TABLE}),
    "mobilenet_v3_small_images": (
        mobilenet_v3_small_images,
        {"name": "mine", "width": 1.0, "n_classes": 9, "in_channels": 3, "resolutions": (28,)},
    ),
    "nondominated": (nondominated, {"values": np.zeros((3, 2))}),
    "read_net_config": (read_net_config, {"config": CONFIG}),
    "calibrate": (
        calibrate, {"supernet": Supernet(FAMILY, own_projections=True), "images": IMAGES}
    ),
    "resize_images": (resize_images, {"images": IMAGES, "resolution": 20}),
    "save_supernet": (optuna_ofa.save_supernet, {"supernet": NET, "path": "a.pth"}),
    "study": (
        optuna_ofa.study,
        {
            "space": SPACE, "hardware": TABLE, "accuracy": ACCURACY, "constraints": {},
            "predictors": (), "board": None,
            "objectives": ("top1", "latency_ms"), "storage": None, "study_name": "x",
            "load_if_exists": False, "sampler": None, "seed": 0, "learn": False, "caution": 0.0,
            "keep": "all", "parameters": "all",
        },
    ),
    "subnet_from_dialect": (
        subnet_from_dialect,
        {"spec": subnet_to_dialect(SUBNET, "ofa"), "family": FAMILY},
    ),
    "supernet_from": (
        optuna_ofa.supernet_from,
        {
            "weights": WHOLE, "family": FAMILY, "calibration": None, "n_classes": 10, "seed": 0,
            "progress": False,
        },
    ),
    "subnet_from_net_config": (
        subnet_from_net_config,
        {"config": CONFIG, "resolution": 128, "family": "ofa_mbv3_w1.0"},
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CALLS)
def test_wrong_arguments_are_refused_by_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    function, arguments = CALLS[name]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    ACCURACY.save("accuracy.json")
    TABLE.save("table.json")
    optuna_ofa.save_supernet(NET, "net.pth")
    bad = []
    for argument in arguments:
        for value in wrong(tmp_path / "folder"):
            try:
                function(**{**arguments, argument: value})
            except OptunaOFAError as error:
                if argument not in str(error):
                    bad.append(f"{argument}={value!r:.40} is not named: {error}")
            except Exception as error:  # a builtin one, from inside
                bad.append(f"{argument}={value!r:.40}: {error!r}")
    assert bad == []


@pytest.mark.parametrize("name", CALLS)
def test_names_are_those_of_the_signatures(name: str) -> None:
    function, arguments = CALLS[name]
    assert set(arguments) <= set(inspect.signature(function).parameters)
