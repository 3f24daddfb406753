"""Accuracy by phase of recipes on Fashion-MNIST.

    python benchmarks/training.py --steps 2000 --folder runs/training
    python benchmarks/training.py --compare options --half --steps 300 --average-decay 0.98

``--compare recipes``: both recipes at equal multiply-adds. The budget is what the sandwich rule
needs for ``--steps`` steps; progressive shrinking, and the largest net alone, get as many steps as
cost the same. Beside them: slices of the largest net that was trained alone, and the smallest net
trained alone for as many steps as the sandwich rule has.
``--compare options``: options of the sandwich rule at equal steps, beside the largest and the
smallest net trained alone for as many steps: what is lost by sharing weights. ``--half``: images of
half the side and a supernet of half the width, for a minute a recipe.
Accuracies are on the test images, batch normalisation recalibrated on training images.
Killed and started again, it goes on.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from _head import print_head, spent
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from optuna_ofa import SearchSpace, Subnet, Supernet
from optuna_ofa.costs import LayerSum, layer_macs
from optuna_ofa.data import fashion_mnist
from optuna_ofa.evaluation import EvaluationSettings, evaluate
from optuna_ofa.space import mobilenet_v3_small_images
from optuna_ofa.training import (
    FineTuning,
    ProgressiveShrinking,
    Recipe,
    Sandwich,
    TrainingHistory,
    TrainingSettings,
    train,
)

HALF = mobilenet_v3_small_images(
    "half", n_classes=10, in_channels=1, width=0.5, resolutions=(10, 12, 14)
)
FAMILY, BATCH, N_CALIBRATION = "ofa_mbv3_fashion", 64, 1000
LEARNING_RATE = 0.05
# for short budgets; the published ones (largest 1, depth and expand 0.03 to 0.09) are for hundreds
# of epochs
RATES = {"kernel": 0.5, "depth 1": 0.25, "depth 2": 0.5, "expand 1": 0.25, "expand 2": 0.5}
# backward passes cost twice as much as forward ones
TRAINED, TAUGHT = 3, 1


def main() -> None:
    """Train and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--compare", choices=COMPARED, default="recipes")
    parser.add_argument("--only", nargs="*", help="names of those to train, as they are printed")
    parser.add_argument("--steps", type=int, default=2000, help="of the sandwich rule")
    parser.add_argument("--folder", type=Path, default=Path("runs/training"))
    parser.add_argument("--half", action="store_true", help="half the side and half the width")
    parser.add_argument("--average-decay", type=float, help="of a moving average of the weights")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--images", type=Path, help="folder of the four files")
    parser.add_argument("--tested", type=int, default=10_000, help="test images that are used")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print_head()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    space = SearchSpace(HALF if arguments.half else FAMILY)
    recipes = COMPARED[arguments.compare](space, arguments.steps)
    data = fashion_mnist(arguments.images)
    training, tested = map(halved, data) if arguments.half else data
    images, classes = tested[: arguments.tested]
    test = list(zip(images.split(500), classes.split(500), strict=True))
    calibration = training.tensors[0][:N_CALIBRATION]

    def accuracies(supernet: Supernet, subnets: Sequence[Subnet]) -> np.ndarray:
        return evaluate(
            supernet,
            subnets,
            test,
            EvaluationSettings(calibration=calibration, n_calibration=N_CALIBRATION),
            progress=False,
        ).top1

    settings = TrainingSettings(seed=arguments.seed, average_decay=arguments.average_decay)
    for name in arguments.only or recipes:
        recipe = recipes[name]
        loader = DataLoader(training, BATCH, shuffle=True, drop_last=True, collate_fn=augmented)
        torch.manual_seed(arguments.seed)
        run = f"{name.replace(' ', '-')}.{arguments.steps}.{arguments.seed}"
        path = arguments.folder / f"{run}{'.half' * arguments.half}.pt"
        with spent() as seconds:
            history = train(
                Supernet(space.family),
                loader,
                recipe=recipe,
                evaluate=accuracies,
                checkpoint=path,
                checkpoint_every=200,
                settings=settings,
            )
        report(f"{name}, seed {arguments.seed}, {seconds}", recipe, space, history)


def recipes_of(space: SearchSpace, n_steps: int) -> dict[str, Recipe]:
    """Both recipes at equal cost; the first sets the budget."""
    sandwich = Sandwich(n_steps=n_steps, learning_rate=LEARNING_RATE)
    budget = multiply_adds(sandwich, space)

    def shrinking(n: int) -> Recipe:
        return ProgressiveShrinking(n_steps=n, learning_rate=LEARNING_RATE, rates=RATES)

    largest = space.largest()
    return {
        "sandwich": sandwich,
        "progressive shrinking": affordable(shrinking, space, budget),
        "largest alone": affordable(lambda n: alone(largest, n), space, budget),
        "smallest alone": alone(space.smallest(), n_steps),
    }


def options_of(space: SearchSpace, n_steps: int) -> dict[str, Recipe]:
    """Options of the sandwich rule, and its two ends alone, all with as many steps."""

    def sandwich(**options: Any) -> Recipe:
        return Sandwich(n_steps=n_steps, learning_rate=LEARNING_RATE, **options)

    return {
        "smallest alone": alone(space.smallest(), n_steps),
        "largest alone": alone(space.largest(), n_steps),
        "sandwich": sandwich(),
        "own resolutions": sandwich(shared_resolution=False),
        "labels too": sandwich(shared_resolution=False, label_ratio=0.5, soft_ratio=0.5),
        "labels only, shared resolution": sandwich(label_ratio=1.0, soft_ratio=0.0),
        "labels only": sandwich(shared_resolution=False, label_ratio=1.0, soft_ratio=0.0),
    }


COMPARED = {"recipes": recipes_of, "options": options_of}


def alone(subnet: Subnet, n_steps: int) -> Recipe:
    """One subnet with labels, at its own resolution."""
    return FineTuning(
        subnet=subnet, n_steps=n_steps, learning_rate=LEARNING_RATE, n_warmup_steps=n_steps // 20
    )


def affordable(make: Callable[[int], Recipe], space: SearchSpace, budget: float) -> Recipe:
    """The recipe with as many steps as the budget allows."""
    trial = 600
    return make(round(budget * trial / multiply_adds(make(trial), space)))


def multiply_adds(recipe: Recipe, space: SearchSpace) -> float:
    """Multiply-adds of the whole recipe, estimated from 200 steps of each phase."""
    macs = LayerSum(space, lambda layer, _: layer_macs(layer))
    largest = {r: macs(space.to_matrix([space.subnet(resolution=r)]))[0] for r in space.resolutions}
    total = 0.0
    for i, phase in enumerate(recipe.phases(space)):
        n = min(phase.n_steps, 200)
        steps = [recipe.runs(space, i, np.random.default_rng([i, j])) for j in range(n)]
        runs = [run for step in steps for run in step]
        cost = TRAINED * macs(space.to_matrix([run.subnet for run in runs])).sum()
        cost += TAUGHT * sum(
            largest[step[0].subnet.resolution] for step in steps if step[0].teacher == "frozen"
        )
        total += BATCH * cost / n * phase.n_steps
    return total


def halved(data: TensorDataset) -> TensorDataset:
    """The images with half the side."""
    images, classes = data.tensors
    return TensorDataset(F.avg_pool2d(images, 2), classes)


def augmented(items: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """A batch of images, moved by up to a fourteenth of their side and half of them mirrored."""
    images = torch.stack([image for image, _ in items])
    labels = torch.stack([label for _, label in items])
    mirrored = torch.rand(len(images)) < 0.5
    images[mirrored] = images[mirrored].flip(-1)
    most = images.shape[-1] // 14
    down, right = torch.randint(-most, most + 1, (2,)).tolist()
    return images.roll((down, right), (-2, -1)), labels


def report(name: str, recipe: Recipe, space: SearchSpace, history: TrainingHistory) -> None:
    """Print accuracies by phase, then those of each followed subnet at the end."""
    steps = sum(phase.n_steps for phase in recipe.phases(space))
    print(f"\n{name}: {steps} steps, {multiply_adds(recipe, space):.2e} multiply-adds")
    print(history)
    final = zip(history.names, history.entries[-1].top1, strict=True)
    print("; ".join(f"{subnet} {top1:.2f}" for subnet, top1 in final))


if __name__ == "__main__":
    main()
