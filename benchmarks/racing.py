"""Fronts of races beside those of all images, on the packaged supernet and Fashion-MNIST.

Each seed has a predicted front, of which 40 points, and 60 random subnets; the races are those of
`optuna_ofa.evaluate(costs=n_macs)`. Printed are the images that were evaluated and those that
subnets were recalibrated with, in percent of what all subnets on all images need, and the
hypervolume of the front of the survivors in percent of the front of all candidates; accuracies are
those on all 10,000 test images. The answers of all candidates are computed once (230 subnets, about
900 CPU-seconds) and kept in a file, from which the races are replayed.

    python benchmarks/racing.py --cache /tmp/racing.npz
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import moocore
import numpy as np
import optuna
import torch
from _head import print_head
from numpy.typing import NDArray

import optuna_ofa
from optuna_ofa.data import fashion_mnist, packaged_supernet
from optuna_ofa.evaluation._identity import image_hashes
from optuna_ofa.evaluation._known import KnownAnswers
from optuna_ofa.evaluation._order import order_of
from optuna_ofa.evaluation._race import Race
from optuna_ofa.evaluation._score import Scores, score_subnets
from optuna_ofa.predictors import CostPredictor
from optuna_ofa.space import Matrix, SearchSpace, Subnet, keys_of
from optuna_ofa.supernet import Supernet

FAMILY = "ofa_mbv3_fashion"
SEEDS = range(5)
N_TRIALS, N_OF_FRONT, N_RANDOM, N_RANDOM_POOL = 2_000, 40, 60, 80
N_CALIBRATION = 500
RULES: dict[str, tuple[tuple[int, ...], float]] = {
    "500, 2,000; 0.5 %": ((500, 2_000), 0.5),
    "500, 2,000; 0.2 %": ((500, 2_000), 0.2),
    "500, 1,000, 2,000; 0.5 %": ((500, 1_000, 2_000), 0.5),
    "500, 2,000; dominated": ((500, 2_000), 0.0),
}


class Candidates(NamedTuple):
    """Subnets to choose a front from.

    Args:
        name: What they are.
        matrix: ``(n, n_genes)``.
    """

    name: str
    matrix: Matrix


class Outcome(NamedTuple):
    """What a race cost and found, in percent of all subnets on all images.

    Args:
        images: Images evaluated.
        calibration: Images recalibrated with.
        volume: Hypervolume of the survivors' front.
        n_left: Survivors.
    """

    images: float
    calibration: float
    volume: float
    n_left: int


class Replay:
    """Answers that were computed before, by subnet and image, and how many were asked for."""

    def __init__(self, cache: Path, space: SearchSpace) -> None:
        content = np.load(cache)
        self.space, self.margins = space, content["margins"]
        self.row_of = {int(k): i for i, k in enumerate(keys_of(content["matrix"]).tolist())}
        self.n_images = self.margins.shape[1]
        self.n_seen = self.n_passes = 0

    def rows(self, matrix: Matrix) -> list[int]:
        return [self.row_of[int(key)] for key in keys_of(matrix).tolist()]

    def top1(self, matrix: Matrix) -> NDArray[np.float64]:
        return np.asarray(100 * (self.margins[self.rows(matrix)] > 0).mean(axis=1))

    def __call__(
        self, subnets: Sequence[Subnet], places: NDArray[np.int64]
    ) -> Iterator[tuple[Sequence[Subnet], Scores]]:
        margins = self.margins[self.rows(self.space.to_matrix(subnets))][:, places]
        self.n_seen += margins.size
        self.n_passes += len(subnets)
        right = np.repeat((margins > 0)[..., None], 2, axis=2)
        yield subnets, Scores(right, margins.astype(np.float32), {}, 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, default=Path("racing.npz"))
    cache: Path = parser.parse_args().cache
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    print_head()
    space = SearchSpace(FAMILY)
    fronts = [predicted_front(space, seed) for seed in SEEDS]
    pool = space.sample(N_RANDOM_POOL, seed=1000)
    random = [pool[np.random.default_rng(s).permutation(N_RANDOM_POOL)[:N_RANDOM]] for s in SEEDS]
    if not cache.exists():
        compute(np.unique(np.concatenate([*fronts, pool]), axis=0), space, cache)
    print(
        f"{len(SEEDS)} seeds, 10,000 test images; the last column are CPU-seconds of the decisions "
        "of a race"
    )
    replay = Replay(cache, space)
    sets = [
        [Candidates("predicted front", fronts[s]) for s in SEEDS],
        [Candidates("random", random[s]) for s in SEEDS],
        [Candidates("both", distinct(fronts[s], random[s])) for s in SEEDS],
        [Candidates("all seeds together", distinct(*fronts, pool))],
    ]
    for of_seeds in sets:
        for name, (rungs, tolerance) in RULES.items():
            began = time.process_time()
            found = [race(one.matrix, replay, rungs, tolerance) for one in of_seeds]
            seconds = (time.process_time() - began) / len(found)
            sizes = [len(one.matrix) for one in of_seeds]
            print_row(of_seeds[0].name, sizes, name, found, seconds)


def predicted_front(space: SearchSpace, seed: int) -> Matrix:
    """Return points spread along the front that a search finds."""
    study = optuna_ofa.study(FAMILY, objectives=["top1", "n_macs"], seed=seed)
    study.search(N_TRIALS, progress=False)
    front = list(study.front(kind="predicted"))
    places = np.linspace(0, len(front) - 1, N_OF_FRONT).round().astype(int)
    return space.to_matrix([front[i].subnet for i in np.unique(places)])


def distinct(*parts: Matrix) -> Matrix:
    return np.asarray(np.unique(np.concatenate(parts), axis=0))


def compute(matrix: Matrix, space: SearchSpace, cache: Path) -> None:
    """Evaluate subnets on all images, in the order of a race, and write their margins."""
    data = fashion_mnist()
    images, labels = data.test.tensors
    order = order_of(image_hashes(images, labels), labels.numpy(), None)
    calibration = data.train.tensors[0][:N_CALIBRATION]
    batches = [
        (images[order.positions[i : i + 200]], labels[order.positions[i : i + 200]])
        for i in range(0, len(labels), 200)
    ]
    margins = []
    for i, subnet in enumerate(space.from_matrix(matrix)):
        margins.append(margins_of(packaged_supernet(), subnet, batches, calibration))
        print(f"\r{i + 1} of {len(matrix)} subnets evaluated", end="", flush=True)
    np.savez_compressed(cache, matrix=matrix, margins=np.array(margins, dtype=np.float16))


def margins_of(
    supernet: Supernet, subnet: Subnet, batches: list[object], calibration: torch.Tensor
) -> NDArray[np.float32]:
    scores = score_subnets(supernet, [subnet], batches, calibration, torch.device("cpu"))
    return scores.margins[0]


def race(matrix: Matrix, replay: Replay, rungs: tuple[int, ...], tolerance: float) -> Outcome:
    """Replay a race of subnets on accuracy and multiply-adds."""
    subnets = replay.space.from_matrix(matrix)
    costs = CostPredictor("n_macs", replay.space).predict(matrix)
    replay.n_seen = replay.n_passes = 0
    known = KnownAnswers(replay.n_images)
    run = Race(
        replay,
        known,
        replay.n_images,
        rungs=rungs,
        tolerance=tolerance / 100,
        finished=lambda _: None,
    )
    run.run(subnets, costs[:, None])
    left = np.array([subnet not in run.partial for subnet in subnets])
    top1 = replay.top1(matrix)
    everything = len(subnets) * replay.n_images
    return Outcome(
        100 * replay.n_seen / everything,
        100 * replay.n_passes / len(subnets),
        100 * volume(top1, costs, left) / volume(top1, costs, np.ones_like(left)),
        int(left.sum()),
    )


def volume(
    top1: NDArray[np.float64], costs: NDArray[np.float64], which: NDArray[np.bool_]
) -> float:
    """Return the hypervolume, over a reference a tenth of the ranges worse than all candidates."""
    reference = (top1.min() - 0.1 * np.ptp(top1), costs.max() + 0.1 * np.ptp(costs))
    points = np.column_stack([top1, costs])[which]
    return float(moocore.hypervolume(points, ref=reference, maximise=[True, False]))


def print_row(
    candidates: str, sizes: list[int], rule: str, found: list[Outcome], seconds: float
) -> None:
    images, calibration, volumes, left = zip(*found, strict=True)
    print(
        f"{candidates:19} {statistics.mean(sizes):5.0f}  {rule:26} "
        f"images {statistics.mean(images):5.1f} ({min(images):.1f}-{max(images):.1f}) %  "
        f"calibration {statistics.mean(calibration):5.1f} %  "
        f"hypervolume {statistics.mean(volumes):6.2f} ({min(volumes):.2f}-{max(volumes):.2f}) %  "
        f"left {statistics.mean(left):4.1f}  {seconds:.2f} s"
    )


if __name__ == "__main__":
    main()
