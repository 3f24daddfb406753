"""From a pretrained network to a verified front, on CIFAR-10.

    python benchmarks/own_network.py lite0 --weights efficientnet-lite0-57934424.pth
    python benchmarks/own_network.py resnet20 --weights resnet20-12fca82f.th

Three arms of about equal CPU time, which is printed:

- alone: the pretrained network (with a new head where the classes differ), fine-tuned;
- chain: the same with fewer steps; a supernet made of it; that trained by the sandwich rule with
  the fine-tuned network as a frozen teacher;
- scratch: a supernet of the same family with random weights, trained by the sandwich rule with
  labels for all subnets.

Accuracies are on test images, batch normalisation recalibrated on training images. The chain goes
on: 200 subnets are evaluated on images that training has not seen, a predictor is fitted to them
and searched, and the front is verified on test images. ``--start sliced`` makes the supernet of
the chain without calibration images. Killed and started again, it goes on.

The images are two Parquet files of JPEGs.
"""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from _cifar import Batches, Cifar
from _head import print_head
from numpy.typing import NDArray

import optuna_ofa
from optuna_ofa import AccuracyMeter, AccuracyPredictor, EvaluationSettings, SearchSpace, Supernet
from optuna_ofa.space import Family, Subnet, get_family
from optuna_ofa.supernet import resize_images
from optuna_ofa.training import FineTuning, Recipe, Sandwich, TrainingSettings, train

N_CLASSES, N_RANDOM, N_FITTED, N_FITTED_IMAGES, N_TRIALS, N_VERIFIED = 10, 10, 200, 500, 2000, 10
CHECKPOINT_EVERY = 50


@dataclass(frozen=True, kw_only=True)
class Case:
    """A pretrained network: its family, the normalisation of its images and learning rates."""

    family: str
    resolutions: tuple[int, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    steps: tuple[int, int, int, int]  # alone, teacher, sandwich after it, sandwich from scratch
    rate: float  # of fine-tuning
    sandwich_rate: float = 0.02
    scratch_rate: float = 0.05

    def table(self) -> Family:
        """The family, for ten classes."""
        family = get_family(self.family)
        head = replace(family.head, n_classes=N_CLASSES)
        name = f"{self.family}_on_cifar10"
        return replace(family, name=name, resolutions=self.resolutions, head=head)


CASES = {
    "lite0": Case(
        family="efficientnet_lite0",
        resolutions=(48, 64),
        mean=(127.0,) * 3,
        scale=(128.0,) * 3,
        steps=(450, 280, 70, 220),
        rate=0.03,
    ),
    "resnet20": Case(
        family="resnet20_cifar10",
        resolutions=(24, 28, 32),
        mean=(123.675, 116.28, 103.53),
        scale=(58.395, 57.12, 57.375),
        steps=(300, 200, 60, 170),
        rate=0.02,
        sandwich_rate=0.03,
    ),
}


def main() -> None:
    """Train the arms, compare them, and search what the chain gave."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--folder", type=Path, default=Path("runs/own_network"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", choices=["calibrated", "sliced"], default="calibrated")
    parser.add_argument("--teacher", choices=["frozen", "largest"], default="frozen")
    parser.add_argument("--every", type=int, help="steps between evaluations of the chain")
    parser.add_argument("--steps", type=int, nargs=4, help="alone, teacher, chain, scratch")
    parser.add_argument("--tested", type=int, default=2000, help="test images that are used")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print_head()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    Comparison(CASES[arguments.case], arguments).run()


class Comparison:
    """The three arms of one seed, and the chain to its end."""

    def __init__(self, case: Case, arguments: argparse.Namespace) -> None:
        self.case = case
        self.arguments = arguments
        self.space = SearchSpace(case.table())
        images = arguments.data / "images"
        self.cifar = Cifar(images, case.mean, case.scale)
        self.settings = EvaluationSettings(calibration=self.cifar.calibration())
        self.subnets = [
            self.space.smallest(),
            self.space.largest(),
            *self.space.from_matrix(self.space.sample(N_RANDOM, seed=1)),
        ]

    def run(self) -> None:
        """Train, print the accuracies of the arms, and go on with the chain."""
        alone, teacher, sandwich, scratch = self.arguments.steps or self.case.steps
        whole = self.trained("alone", self.pretrained(), self.tuning(alone))
        self.report("the pretrained network, fine-tuned alone", whole, self.subnets[1:2])
        tuned = self.trained("teacher", self.pretrained(), self.tuning(teacher))
        self.report("the same with fewer steps: the teacher", tuned, self.subnets[1:2])
        chain = self.chained(self.supernet_of(tuned), sandwich)
        torch.manual_seed(self.arguments.seed)
        # an untrained largest subnet teaches nothing
        recipe = Sandwich(
            n_steps=scratch, learning_rate=self.case.scratch_rate, label_ratio=1, soft_ratio=0
        )
        random = self.trained("scratch", Supernet(self.space.family), recipe)
        self.report("from scratch", random, self.subnets)
        self.search(chain)

    def chained(self, supernet: Supernet, n_steps: int) -> Supernet:
        """Train the supernet of the chain by the sandwich rule with a frozen teacher."""
        self.report(
            f"a supernet of that, {self.arguments.start}, not trained yet", supernet, self.subnets
        )
        recipe = Sandwich(
            n_steps=n_steps, learning_rate=self.case.sandwich_rate, teacher=self.arguments.teacher
        )
        name = f"chain-{self.arguments.start}-{self.arguments.teacher}"
        self.trained(name, supernet, recipe, self.arguments.every)
        self.report("the chain", supernet, self.subnets)
        return supernet

    def tuning(self, n_steps: int) -> Recipe:
        """Fine-tuning of the largest subnet, which is the pretrained network."""
        return FineTuning(
            subnet=self.space.largest(),
            n_steps=n_steps,
            learning_rate=self.case.rate,
            n_warmup_steps=n_steps // 20,
        )

    def pretrained(self) -> Supernet:
        """A supernet whose largest subnet is the pretrained network, its head new if need be."""
        return optuna_ofa.supernet_from(
            self.arguments.weights, self.space.family, n_classes=N_CLASSES, seed=self.arguments.seed
        )

    def supernet_of(self, tuned: Supernet) -> Supernet:
        """The supernet that the chain trains; its largest subnet is the tuned network."""
        begin = time.process_time()
        network = tuned.extract(self.space.largest())
        images = None
        if self.arguments.start == "calibrated":
            images = resize_images(self.cifar.calibration(), max(self.space.resolutions))
        supernet = optuna_ofa.supernet_from(network, self.space.family, calibration=images)
        print(f"supernet made in {time.process_time() - begin:.0f} CPU s")
        return supernet

    def trained(
        self, name: str, supernet: Supernet, recipe: Recipe, every: int | None = None
    ) -> Supernet:
        """Train with a checkpoint; print the CPU time of all runs together, less evaluations."""
        path = self.arguments.folder / f"{self.arguments.case}-{name}-{self.arguments.seed}.pt"
        data = self.cifar.fitting(N_FITTED_IMAGES)

        def accuracies(net: Supernet, subnets: Sequence[Subnet]) -> NDArray[np.float64]:
            with seconds.stopped():
                return self.accuracies(net, subnets, data)

        with Seconds(path.with_suffix(".seconds")) as seconds:
            history = train(
                supernet,
                self.cifar.training(),
                recipe=recipe,
                settings=TrainingSettings(seed=self.arguments.seed),
                checkpoint=path,
                checkpoint_every=CHECKPOINT_EVERY,
                evaluate=accuracies if every else None,
                evaluate_every=every,
            )
        n_steps = sum(phase.n_steps for phase in recipe.phases(self.space))
        print(f"\n{name}: {n_steps} steps, {seconds.total / 3600:.2f} CPU hours", flush=True)
        if every:
            print(f"on {N_FITTED_IMAGES} held-out images:\n{history}", flush=True)
        return supernet

    def report(self, what: str, supernet: Supernet, subnets: Sequence[Subnet]) -> None:
        """Print accuracies on the test images."""
        top1 = self.accuracies(supernet, subnets, self.cifar.test(self.arguments.tested))
        print(f"{what}: {' '.join(f'{value:.2f}' for value in top1)}", flush=True)

    def accuracies(
        self, supernet: Supernet, subnets: Sequence[Subnet], data: Batches
    ) -> NDArray[np.float64]:
        """Measured top-1 in percent."""
        return optuna_ofa.evaluate(supernet, subnets, data, self.settings, progress=False).top1

    def search(self, supernet: Supernet) -> None:
        """Fit a predictor to subnets, search it, and verify the front on other images."""
        rows = self.space.sample(N_FITTED, seed=self.arguments.seed, uniform_over="sizes")
        data = self.cifar.fitting(N_FITTED_IMAGES)
        found = optuna_ofa.evaluate(
            supernet, rows, data, self.settings, storage=self.storage, progress=False
        )
        accuracy = AccuracyPredictor.fit(self.space, found.matrix, found.top1, metadata=found.setup)
        print(f"\n{len(rows)} subnets on {N_FITTED_IMAGES} held-out images:")
        study = optuna_ofa.study(
            self.space,
            accuracy=accuracy,
            objectives=["top1", "n_macs"],
            storage=self.storage,
            study_name=f"{self.arguments.case} {self.arguments.seed}",
            load_if_exists=True,
            seed=self.arguments.seed,
        )
        study.search(until=N_TRIALS, progress=False)
        test = self.cifar.test(self.arguments.tested)
        meter = AccuracyMeter(supernet, test, self.settings)
        print(study.verify({"top1": meter}, points=N_VERIFIED, progress=False))

    @property
    def storage(self) -> str:
        """The database of the study and of measured accuracies."""
        return f"sqlite:///{self.arguments.folder / f'{self.arguments.case}.db'}"


class Seconds:
    """CPU seconds of a block over all runs that it took, kept in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.total = float(path.read_text()) if path.exists() else 0.0

    def __enter__(self) -> Seconds:
        self.total -= time.process_time()
        return self

    def __exit__(self, *error: object) -> None:
        self.total += time.process_time()
        self._path.write_text(f"{self.total}")

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """Leave a block out."""
        begin = time.process_time()
        yield
        self.total -= time.process_time() - begin


if __name__ == "__main__":
    main()
