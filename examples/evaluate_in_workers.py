"""Search with evaluated accuracies and several workers, one per GPU or processor core.

Each worker is a process that gets a subnet from a shared Optuna study, evaluates it on
Fashion-MNIST after recalibrating its batch normalisation, and reports its accuracy and
multiply-adds. Accuracies are kept in the same database: a subnet that any worker has evaluated is
looked up, in this run and the next. With PostgreSQL or MySQL for `--storage`, start this script on
as many machines as there are.

The supernet has random weights unless `--weights` names a checkpoint of the same family.

    python examples/evaluate_in_workers.py --workers 2
"""

from __future__ import annotations

import argparse
import multiprocessing
from dataclasses import dataclass
from pathlib import Path

import optuna
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

import optuna_ofa
from optuna_ofa import SearchSpace
from optuna_ofa.data import fashion_mnist
from optuna_ofa.predictors import CostPredictor
from optuna_ofa.samplers import EvolutionarySampler
from optuna_ofa.space import mobilenet_v3_small_images

FAMILY = mobilenet_v3_small_images("fashion", n_classes=10, in_channels=1, width=0.5)
STUDY = "evaluated"
N_CALIBRATION = 500
N_VALIDATION = 2000  # training images that the supernet should not have seen
BATCH_SIZE = 250


@dataclass
class Evaluation:
    """The objective: top-1 in percent, and multiply-adds.

    Args:
        storage: URL of the database of the study and of the accuracies.
        weights: A checkpoint; None uses random weights, the same in every worker.
        device: The device that subnets run on.
        n_images: Images to evaluate on.
    """

    storage: str
    weights: Path | None
    device: str
    n_images: int

    def __post_init__(self) -> None:
        torch.manual_seed(0)
        self._supernet = optuna_ofa.load_supernet(FAMILY, weights=self.weights)
        self.space = SearchSpace(FAMILY)
        self._n_macs = CostPredictor("n_macs", self.space)
        images, labels = fashion_mnist().train.tensors
        self._calibration: Tensor = images[:N_CALIBRATION]
        validation = TensorDataset(images[-self.n_images :], labels[-self.n_images :])
        self._loader = DataLoader(validation, batch_size=BATCH_SIZE)

    def __call__(self, trial: optuna.Trial) -> tuple[float, float]:
        """Evaluate the subnet that a trial suggests."""
        subnet = self.space.suggest(trial)
        found = optuna_ofa.evaluate(
            self._supernet,
            subnet,
            self._loader,
            optuna_ofa.EvaluationSettings(calibration=self._calibration, device=self.device),
            storage=self.storage,
            progress=False,
        )
        if found.failures:
            raise RuntimeError(found.failures[0])  # the trial fails, the others continue
        return float(found.top1[0]), float(self._n_macs.predict(found.matrix)[0])


def work(number: int, arguments: argparse.Namespace) -> None:
    """Run one worker."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    torch.set_num_threads(1)
    n_gpus = torch.cuda.device_count()
    device = f"cuda:{number % n_gpus}" if n_gpus else "cpu"
    objective = Evaluation(arguments.storage, arguments.weights, device, arguments.images)
    sampler = EvolutionarySampler(objective.space, seed=number)
    study = optuna.load_study(study_name=STUDY, storage=arguments.storage, sampler=sampler)
    study.optimize(objective, n_trials=arguments.trials, catch=RuntimeError)


def main() -> None:
    """Start the workers, wait, and print the front."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--storage", default="sqlite:///fashion.db")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--trials", type=int, default=10, help="trials of each worker")
    parser.add_argument("--images", type=int, default=N_VALIDATION)
    arguments = parser.parse_args()

    study = optuna.create_study(
        directions=["maximize", "minimize"],
        storage=arguments.storage,
        study_name=STUDY,
        load_if_exists=True,
    )
    context = multiprocessing.get_context("spawn")  # a forked process cannot use CUDA
    workers = [context.Process(target=work, args=(i, arguments)) for i in range(arguments.workers)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    rows = optuna_ofa.read_measurements(arguments.storage, FAMILY, metric="top1")
    print(f"{len(study.trials)} trials, {len(rows)} evaluated subnets; their Pareto front:")
    for trial in sorted(study.best_trials, key=lambda t: t.values[1]):
        top1, n_macs = trial.values
        print(f"  trial {trial.number}: {top1:.2f} %, {n_macs / 1e6:.2f} M multiply-adds")


if __name__ == "__main__":
    main()
