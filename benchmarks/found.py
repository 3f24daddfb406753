"""How sure accuracy predictors are of the subnets that a search on them finds.

    python benchmarks/found.py --data ../shared/data

Fits to 40, 100 and 200 subnets and predicts three kinds of others: those that a search on the
predictor finds (``found``), those that are best in truth (``best``), and random ones. Where every
subnet has a known accuracy (published networks), the search is free; in tables of measured
networks, it is the three outer layers of the predicted front, and ``apart`` is the tenth with the
best accuracy for its size, none of which was fitted. With ``--resnet20`` the front of a supernet
that was cut from a pretrained ResNet-20 for CIFAR-10, without any training, is measured.

Prints the percentage of measurements in 90 % intervals, the mean width of these, the root mean
square error and the bias, and the first two without the widening for gains.
"""

from __future__ import annotations

import argparse
import csv
import json
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import optuna
from _accuracy_drawn import Drawn
from _head import print_head
from numpy.typing import NDArray
from outside import RESOLUTIONS, SEARCHES, joined, read_resolutions, read_searches

import optuna_ofa
from optuna_ofa import AccuracyPredictor, SearchSpace, Subnet
from optuna_ofa.predictors import CostPredictor
from optuna_ofa.space import Family, Head, Stage, Stem

Matrix = NDArray[np.int16]
Vector = NDArray[np.float64]
MODELS = ("gaussian_process", "ridge")
SIZES = (40, 100, 200)
Z_90 = 1.645
N_MEASURED = 130  # subnets of the ResNet-20
SHARE, N_RANDOM, N_LAYERS, N_FOUND, N_TRIALS, NOISE = 0.1, 300, 3, 25, 1_500, 0.02
Rows = tuple[Matrix, Vector]


class Case(NamedTuple):
    """Rows to fit to, and what to predict, by what it is."""

    name: str
    space: SearchSpace
    fit: Rows
    out: Callable[[AccuracyPredictor], dict[str, Rows]]


def main() -> None:
    """Print a line for each family, model and kind of subnets."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the published files")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--only", default="", help="part of the names of the families")
    parser.add_argument("--resnet20", action="store_true", help="measure the front of a ResNet-20")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    print_head()
    print(f"{'':44}covered, width (without gains), RMSE, bias")
    families = dict(of_data(arguments.data))
    if arguments.resnet20:
        families["ResNet-20"] = resnet20(arguments.data)
    for name, cases in families.items():
        if arguments.only in name:
            for model in MODELS:
                scores: dict[str, list[list[float]]] = {}
                for case in (c for s in range(arguments.seeds) for n in SIZES for c in cases(n, s)):
                    for kind, score in scored(case, model).items():
                        scores.setdefault(f"{case.name} {kind}", []).append(score)
                for kind, found in scores.items():
                    print(f"{model:18}{kind:26}{words(np.mean(found, axis=0))}", flush=True)


def scored(case: Case, model: str) -> dict[str, list[float]]:
    """Coverage and width, with and without the widening for gains, RMSE and bias, by kind."""
    matrix, top1 = case.fit
    fitted = AccuracyPredictor.fit(case.space, matrix, top1, model=model)  # type: ignore[arg-type]
    others = case.out(fitted)
    found = {}
    for kind, (rows, truth) in others.items():
        errors = truth - fitted.predict(rows)
        both = []
        for std in (fitted.predict_std(rows), _without_gains(fitted, rows)):
            assert std is not None
            both += [100 * float(np.mean(abs(errors) <= Z_90 * std)), 2 * Z_90 * float(std.mean())]
        found[kind] = [*both, float(np.sqrt(np.mean(errors**2))), float(errors.mean())]
    return found


def _without_gains(fitted: AccuracyPredictor, rows: Matrix) -> Vector | None:
    support = fitted.support
    assert support is not None
    assert support.widening is not None
    whole = support.widening
    sides = tuple(side for side in whole.sides if side.of != "gain")
    support.widening = whole._replace(sides=sides)
    std = fitted.predict_std(rows)
    support.widening = whole
    return std


def words(score: NDArray[np.float64]) -> str:
    """One line."""
    covered, width, before, narrow, rmse, bias = score
    return f"{covered:4.0f} % {width:7.2f} ({before:3.0f} % {narrow:6.2f}) {rmse:7.2f} {bias:+7.2f}"


def of_data(data: Path) -> Iterator[tuple[str, Callable[[int, int], Iterator[Case]]]]:
    """The families of the published files, each with its cases of a size and a seed."""
    space = SearchSpace("ofa_mbv3_w1.0", resolution=[128, 160, 192, 224])
    searches = joined(list(read_searches(data / SEARCHES, space).values()))
    below = read_resolutions(data / RESOLUTIONS, space, with_offsets=False)
    tables = {
        "w1.0, 224 pixels": (space.restrict(resolution=224), searches.matrix, searches.top1),
        "w1.0, below": (space.restrict(resolution=[128, 160, 192]), below.matrix, below.top1),
        "NAS-Bench-Macro": macro(data),
        "Accel-NASBench": accel(data),
    }
    for name, table in tables.items():
        yield name, lambda n, seed, name=name, table=table: of_table(name, *table, n, seed)
    drawn = Drawn(data)
    best = {"best": drawn.tests["best front"].matrix}
    yield (
        "w1.2",
        lambda n, seed: of_truth("w1.2", drawn.space, drawn._truth.predict, best, n, seed),
    )
    resnet = AccuracyPredictor.load(data / "ofa_resnet50_acc_predictor.pth")
    yield (
        "ResNet50",
        lambda n, seed: of_truth("ResNet50", resnet.space, resnet.predict, {}, n, seed),
    )


def of_table(
    name: str, space: SearchSpace, matrix: Matrix, top1: Vector, n: int, seed: int
) -> Iterator[Case]:
    """Random rows of a table, and rows that are not the best for their size."""
    order = np.random.default_rng(seed).permutation(len(top1))
    fit, rest = order[:n], np.sort(order[n:])

    def others(fitted: AccuracyPredictor) -> dict[str, Rows]:
        left, layers = rest, []
        for _ in range(N_LAYERS):
            first = front(space, matrix[left], fitted.predict(matrix[left]))
            layers.append(left[first])
            left = np.delete(left, first)
        best = rest[front(space, matrix[rest], top1[rest])]
        random = rest[np.random.default_rng(9).permutation(len(rest))[:N_RANDOM]]
        kinds = {"found": np.concatenate(layers), "best": best, "random": random}
        return {kind: (matrix[rows], top1[rows]) for kind, rows in kinds.items()}

    yield Case(name, space, (matrix[fit], top1[fit]), others)
    sizes = np.log(CostPredictor("n_macs", space).predict(matrix))
    gains = top1 - np.polyval(np.polyfit(sizes, top1, 2), sizes)
    is_apart = gains >= np.quantile(gains, 1 - SHARE)
    fit = np.random.default_rng(seed).permutation(np.nonzero(~is_apart)[0])[:n]
    apart = {"apart": (matrix[is_apart], top1[is_apart])}
    yield Case(name, space, (matrix[fit], top1[fit]), lambda _: apart)


def of_truth(
    name: str,
    space: SearchSpace,
    truth: Callable[[Matrix], Vector],
    more: dict[str, Matrix],
    n: int,
    seed: int,
) -> Iterator[Case]:
    """Subnets of all sizes, where a published network stands for the truth."""
    matrix = np.unique(space.sample(n, seed=seed, uniform_over="sizes"), axis=0)
    top1 = truth(matrix) + np.random.default_rng(seed).normal(0, NOISE, len(matrix))

    def others(fitted: AccuracyPredictor) -> dict[str, Rows]:
        random = space.sample(N_RANDOM, seed=78)
        kinds = {"found": searched(space, fitted, N_FOUND), "random": random, **more}
        return {kind: (rows, truth(rows)) for kind, rows in kinds.items()}

    yield Case(name, space, (matrix, top1), others)


def searched(
    space: SearchSpace, fitted: AccuracyPredictor, n: int, n_trials: int = N_TRIALS
) -> Matrix:
    """Subnets along the front of accuracy and multiply-adds that a search finds."""
    study = optuna_ofa.study(space, accuracy=fitted, objectives=["top1", "n_macs"], seed=0)
    study.search(n_trials, progress=False)
    points = list(study.front())
    picked = np.unique(np.linspace(0, len(points) - 1, n).round().astype(int))
    return space.to_matrix([points[i].subnet for i in picked])


def front(space: SearchSpace, matrix: Matrix, top1: Vector) -> NDArray[np.intp]:
    """Rows on the front of accuracy and multiply-adds."""
    macs = CostPredictor("n_macs", space).predict(matrix)
    order = np.lexsort((-top1, macs))
    best = np.maximum.accumulate(np.r_[-np.inf, top1[order][:-1]])
    return np.asarray(order[top1[order] > best])


def macro(data: Path) -> tuple[SearchSpace, Matrix, Vector]:
    """Those networks of NAS-Bench-Macro whose absent layers are the last of their stages."""
    stages = tuple(
        Stage((width,), 1 + (i > 0), "relu6", depths=tuple(range(1, n + 1)))
        for i, (width, n) in enumerate([(32, 2), (64, 3), (128, 3)])
    )
    space = SearchSpace(_family("macro", stages, Stem((32,), (16,), act="relu6", stride=1), 32, 10))
    path = data / "nas-bench-macro" / "nas-bench-macro_cifar10.json"
    subnets, top1 = [], []
    for layers, known in json.loads(path.read_text()).items():
        of_stages = [layers[:2], layers[2:5], layers[5:]]
        depth = [len(stage.rstrip("0")) for stage in of_stages]
        if all(depth) and not any("0" in stage.rstrip("0") for stage in of_stages):
            kernel, expand = ([{"2": large}.get(c, 3) for c in layers] for large in (5, 6))
            subnets.append(
                Subnet(space.family, resolution=32, depth=depth, kernel=kernel, expand=expand)
            )
            top1.append(known["mean_acc"])
    return space, space.to_matrix(subnets), np.array(top1)


def accel(data: Path) -> tuple[SearchSpace, Matrix, Vector]:
    """Accel-NASBench without its choices of squeeze-and-excitation, which become noise."""
    widths, strides = (16, 24, 40, 80, 96, 192, 320), (1, 2, 2, 2, 1, 2, 1)
    most = 4
    stages = tuple(
        Stage((width,), stride, "relu6", depths=tuple(range(1, most + 1)))
        for width, stride in zip(widths, strides, strict=True)
    )
    stem = Stem((32,), (16,), act="relu6", stride=2)
    space = SearchSpace(_family("accel", stages, stem, 224, 1_000, expands=(2, 4, 6)))
    subnets, top1 = [], []
    with open(data / "accel-nasbench" / "accel_nasbench.csv", newline="") as file:
        for row in csv.DictReader(file):
            genes = np.array(row["arch"].split(), dtype=int).reshape(len(widths), 4)
            expand, kernel = (np.repeat(genes[:, j], most).tolist() for j in (0, 1))
            subnets.append(
                Subnet(
                    space.family,
                    resolution=224,
                    depth=genes[:, 2].tolist(),
                    kernel=kernel,
                    expand=[max(2, e) for e in expand],
                )
            )
            top1.append(float(row["top1"]))
    return space, space.to_matrix(subnets), np.array(top1)


def _family(
    name: str,
    stages: tuple[Stage, ...],
    stem: Stem,
    pixels: int,
    n_classes: int,
    expands: tuple[int, ...] = (3, 6),
) -> Family:
    return Family(
        name=name,
        architecture="MobileNetV3",
        block="mbconv",
        resolutions=(pixels,),
        kernels=(3, 5),
        expands=expands,
        width_mults=(1.0,),
        stem=stem,
        stages=stages,
        head=Head(1280, 1280, act="relu6", n_classes=n_classes),
        bn_eps=1e-3,
    )


def resnet20(data: Path) -> Callable[[int, int], Iterator[Case]]:
    """Subnets of a pretrained ResNet-20, cut and calibrated without training, and evaluated."""
    from _cifar import Cifar

    space = SearchSpace("resnet20_cifar10")
    cifar = Cifar(data / "images", (123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
    calibration = cifar.calibration()[:200]
    settings = optuna_ofa.EvaluationSettings(calibration=calibration)
    weights = data / "pretrained" / "resnet20-12fca82f.th"
    supernet = optuna_ofa.supernet_from(weights, space.family, calibration=calibration)
    images = cifar.fitting(400)

    def truth(matrix: Matrix) -> Vector:
        return optuna_ofa.evaluate(supernet, matrix, images, settings, progress=False).top1

    matrix = space.sample(N_MEASURED, seed=0, uniform_over="sizes")
    top1 = truth(matrix)

    def cases(n: int, seed: int) -> Iterator[Case]:
        if n > N_MEASURED:
            return
        order = np.random.default_rng(seed).permutation(N_MEASURED)
        fit, rest = np.split(order, [min(n, N_MEASURED - 40)])

        def others(fitted: AccuracyPredictor) -> dict[str, Rows]:
            rows = searched(space, fitted, 12, 1_000)
            return {"found": (rows, truth(rows)), "random": (matrix[rest], top1[rest])}

        yield Case("ResNet-20", space, (matrix[fit], top1[fit]), others)

    return cases


if __name__ == "__main__":
    main()
