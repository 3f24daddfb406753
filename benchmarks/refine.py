"""Measuring a front in rounds that correct the predictors, beside measuring the first front.

    python benchmarks/refine.py --folder runs/refine
    python benchmarks/refine.py --simulated --device other

For each seed one search runs on the packaged predictors of the trained Fashion-MNIST supernet. Then
``--budget`` subnets along its front are measured, and in a second study as many by
``study.refine``. Accuracies are measured on the 2,000 packaged test images, which the predictor was
not fitted to. The subnets of both measured fronts are then evaluated on 3,000 other images that
neither the predictor nor the refinement has seen. Printed are both hypervolumes, the error of the
predictions on the first front, and on the subnets of each round before these corrected anything.

Latencies are those of the packaged table of torch. With ``--device other`` they are simulated ones
of another device, which is faster by a factor of its own for each kind of layer, kernel and
resolution, so that no scale corrects the table. Accuracies are kept in the folder.

With ``--simulated`` no network runs: true accuracies are what is predicted, an offset and errors
that change smoothly from subnet to subnet, of another kind for each seed. Measured ones have noise
besides; the other images are then the truth.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
import optuna
import torch
from _head import print_head
from numpy.typing import NDArray

import optuna_ofa
from optuna_ofa import EvaluationSettings, LatencyPredictor, SearchSpace, SubnetStudy
from optuna_ofa.costs import LayerSum
from optuna_ofa.data import fashion_mnist, packaged_images, packaged_supernet
from optuna_ofa.fronts import hypervolume, nondominated
from optuna_ofa.problem import METRICS
from optuna_ofa.space import Layer, Matrix, keys_of
from optuna_ofa.verification import Meter, Readings

Values = NDArray[np.float64]
FAMILY = "ofa_mbv3_fashion"
N_EVALUATIONS, LEAST_TOP1 = 5_000, 88.5
SPEEDUP, SPREAD = 0.6, 0.1  # of another device: the median, and in logarithms
# simulated accuracies in points: an offset, smooth errors, and the noise of measurements
OFFSET, ERROR, NOISE, N_WAVES = 0.3, 0.2, 0.25, 200


def main() -> None:
    """Measure both ways for each seed, and print."""
    arguments = _arguments()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    torch.set_num_threads(1)
    print_head()
    print(f"{arguments.budget} measurements in {arguments.rounds} rounds")
    print("seed  measured: first, refined   other images: first, refined   errors, first to last")
    ratios = []
    for seed in arguments.seeds:
        accuracies = Simulated(seed) if arguments.simulated else Evaluated(arguments.folder)
        volumes, errors = compared(seed, accuracies, arguments)
        ratios.append([volumes[1] / volumes[0], volumes[3] / volumes[2]])
        cells = "".join(f"{volume:10.3f}" for volume in volumes)
        print(f"{seed:4}{cells}   {errors}", flush=True)
    for name, column in zip(("measured", "other images"), np.array(ratios).T, strict=True):
        print(f"{name}: refined / first {column.mean():.3f} ({column.min():.3f} to "
              f"{column.max():.3f})")  # fmt: skip


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--budget", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--device", choices=["table", "other"], default="table")
    parser.add_argument("--simulated", action="store_true", help="accuracies that are made up")
    parser.add_argument("--folder", type=Path, default=Path("runs/refine"))
    return parser.parse_args()


def compared(
    seed: int, accuracies: Accuracies, arguments: argparse.Namespace
) -> tuple[list[float], str]:
    """Hypervolumes of both ways, on both sets of images, and the errors of the predictions."""
    first, refined = (optuna_ofa.study(FAMILY, seed=seed) for _ in range(2))
    for study in (first, refined):
        study.search(N_EVALUATIONS, progress=False)
    latency = latencies(first, arguments.device, seed)
    meters = {"top1": OfArray(partial(accuracies.on, "measured")), "latency_ms": OfArray(latency)}
    slowest = float(latency(first.space.to_matrix([first.space.largest()]))[0])
    reference = {"top1": LEAST_TOP1, "latency_ms": 1.1 * slowest}
    first.verify(meters, points=arguments.budget, progress=False)
    found = refined.refine(
        meters, budget=arguments.budget, rounds=arguments.rounds, tolerance=0, progress=False
    )
    studies = (first, refined)
    volumes = [
        volume(s, reference, accuracies, on) for on in ("measured", "other") for s in studies
    ]
    top1 = " ".join(f"{of.errors['top1'].mean_error:+.2f}" for of in found.rounds)
    mape = " ".join(f"{of.errors['latency_ms'].mape:.1f}" for of in found.rounds)
    return volumes, f"top1 {top1} points, latency {mape} %"


def volume(
    study: SubnetStudy, reference: dict[str, float], accuracies: Accuracies, on: str
) -> float:
    """The hypervolume of the measured front, with accuracies on some images."""
    known = study.results(kind="measured")
    front = known.select(nondominated(known.values * [-1, 1]))
    values = np.column_stack([accuracies.on(on, front.matrix), front.values[:, 1]])
    return hypervolume(values, reference, {name: METRICS[name] for name in reference})


def latencies(study: SubnetStudy, device: str, seed: int) -> Callable[[Matrix], Values]:
    """Latencies of the table, or of a device on which each kind of layer has its own factor."""
    predictor = study.problem.predictors["latency_ms"]
    assert isinstance(predictor, LatencyPredictor)
    if device == "table":
        return predictor.predict
    table, n_classes = predictor.table, study.space.family.head.n_classes
    factors: dict[tuple[object, ...], float] = {}
    rng = np.random.default_rng(seed)

    def milliseconds(layer: Layer, resolution: int) -> float:
        kind = (layer.role, layer.kernel, layer.use_se, resolution)
        factors.setdefault(kind, SPEEDUP * float(np.exp(rng.normal(0, SPREAD))))
        return factors[kind] * table.layer(layer, resolution, n_classes).mean_ms

    return LayerSum(study.space, milliseconds)


class OfArray(Meter):
    """A meter that calls a function of genotypes."""

    def __init__(self, function: Callable[[Matrix], Values]) -> None:
        self._function = function

    def measure(self, space: SearchSpace, matrix: Matrix, storage: optuna.Study | None) -> Readings:
        """Call it."""
        values = self._function(matrix)
        return Readings(values, np.full(len(values), np.nan), {})


class Accuracies(Protocol):
    """Accuracies of subnets."""

    def on(self, on: str, matrix: Matrix) -> Values:
        """Return accuracies on the images of the meter, ``"measured"``, or on others."""


class Simulated:
    """Accuracies that are made up.

    Args:
        seed: Of the errors of the predictions.
    """

    def __init__(self, seed: int) -> None:
        rng, space = np.random.default_rng(seed), SearchSpace(FAMILY)
        self._predicted = optuna_ofa.study(FAMILY, seed=0).problem.predictors["top1"].predict
        choices = np.array([[min(c), max(c)] for c in space.choices.values()], dtype=float)
        self._low, self._span = choices[:, 0], np.maximum(np.ptp(choices, axis=1), 1)
        self._waves = (
            rng.normal(0, 0.3, (len(choices), N_WAVES)),
            rng.uniform(0, 2 * np.pi, N_WAVES),
        )
        self._offset, self._seed = rng.normal(0, OFFSET), seed

    def on(self, on: str, matrix: Matrix) -> Values:
        """Return the truth, with noise where it is measured."""
        angles = (matrix - self._low) / self._span @ self._waves[0] + self._waves[1]
        smooth = np.cos(angles).sum(axis=1) / np.sqrt(N_WAVES / 2)
        truth = self._predicted(matrix) + self._offset + ERROR * smooth
        if on != "measured":
            return np.asarray(truth)
        keys = keys_of(matrix).tolist()
        noise = [np.random.default_rng((self._seed, abs(key))).normal(0, NOISE) for key in keys]
        return np.asarray(truth + noise)


class Evaluated:
    """Accuracies through the packaged weights, kept in a file.

    Args:
        folder: Of the file.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path, self._supernet = folder / "accuracies.jsonl", packaged_supernet()
        self._space, images = SearchSpace(FAMILY), packaged_images()
        self._settings = EvaluationSettings(calibration=images.train.tensors[0])
        self._loaders = {"measured": batches(*images.test.tensors), "other": other_images()}
        text = self._path.read_text() if self._path.exists() else ""
        rows = map(json.loads, text.splitlines())
        self._known = {(subnet, on): top1 for subnet, on, top1 in rows}

    def on(self, on: str, matrix: Matrix) -> Values:
        """Return accuracies on some images, in percent."""
        return np.array(list(self._each(on, matrix)))

    def _each(self, on: str, matrix: Matrix) -> Iterator[float]:
        for row, subnet in zip(matrix, self._space.from_matrix(matrix), strict=True):
            key = (subnet.to_json(), on)
            if key not in self._known:
                found = optuna_ofa.evaluate(
                    self._supernet, row[None], self._loaders[on], self._settings, progress=False
                )
                self._known[key] = float(found.top1[0])
                with self._path.open("a") as file:
                    file.write(json.dumps([*key, self._known[key]]) + "\n")
            yield self._known[key]


def other_images() -> list[tuple[torch.Tensor, torch.Tensor]]:
    """The test images that neither the predictor nor the meter has seen."""
    images, labels = fashion_mnist().test.tensors
    seen = {image.numpy().tobytes() for image in packaged_images().test.tensors[0]}
    unseen = range(1, len(images), 2)  # the predictor was fitted to the others
    new = [i for i in unseen if images[i].numpy().tobytes() not in seen]
    return batches(images[new], labels[new])


def batches(images: torch.Tensor, labels: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return batches of 200."""
    starts = range(0, len(images), 200)
    return [(images[i : i + 200], labels[i : i + 200]) for i in starts]


if __name__ == "__main__":
    main()
