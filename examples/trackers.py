"""Watch a training run and a search in TensorBoard, MLflow and Weights & Biases.

None of them is needed by optuna_ofa. Copy the tracker of training runs that you use; searches take
the callbacks of optuna-integration as they are.

    pip install tensorboard                            # tensorboard --logdir runs
    pip install mlflow optuna-integration              # mlflow ui --backend-store-uri sqlite:///mlflow.db
    pip install wandb optuna-integration               # WANDB_MODE=offline needs no account
    python examples/trackers.py tensorboard mlflow wandb
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import optuna
import torch
from torch.utils.data import DataLoader

import optuna_ofa
from optuna_ofa.data import packaged_images
from optuna_ofa.space import mobilenet_v3_small_images
from optuna_ofa.training import Sandwich, TrainingStep, train

N_STEPS = 12  # in practice thousands
N_TRIALS = 200
MLFLOW = "sqlite:///mlflow.db"  # a file here, or the address of a server
OBJECTIVES = ["top1", "latency_ms"]


def values_of(step: TrainingStep) -> dict[str, float]:
    """Return what the trackers show of a step."""
    top1 = {f"top1/{subnet}": value for subnet, value in step.top1.items()}
    return {"loss": step.loss, "learning_rate": step.learning_rate, **top1}


class TensorBoard:
    """Writes a training run to TensorBoard."""

    def __init__(self, folder: str) -> None:
        from torch.utils.tensorboard import SummaryWriter  # pip install tensorboard

        self._writer: Any = SummaryWriter(folder)

    def __call__(self, step: TrainingStep) -> None:
        for name, value in values_of(step).items():
            self._writer.add_scalar(name, value, step.step)


class MLflow:
    """Writes a training run to MLflow."""

    def __init__(self, name: str) -> None:
        import mlflow  # pip install mlflow

        mlflow.set_tracking_uri(MLFLOW)
        mlflow.start_run(run_name=name)
        self._mlflow = mlflow

    def __call__(self, step: TrainingStep) -> None:
        self._mlflow.log_metrics(values_of(step), step=step.step)
        if step.step == step.n_steps:
            self._mlflow.end_run()


class WeightsAndBiases:
    """Writes a training run to Weights & Biases."""

    def __init__(self, name: str) -> None:
        import wandb  # pip install wandb

        self._run = wandb.init(project="optuna_ofa", name=name)

    def __call__(self, step: TrainingStep) -> None:
        self._run.log(values_of(step), step=step.step)
        if step.step == step.n_steps:
            self._run.finish()


def training_tracker(name: str) -> Callable[[TrainingStep], None]:
    """Return the callback of `train` for a tracker."""
    make = {"tensorboard": TensorBoard, "mlflow": MLflow, "wandb": WeightsAndBiases}
    return make[name]("runs/training")


def search_tracker(name: str) -> Callable[[optuna.Study, optuna.trial.FrozenTrial], None]:
    """Return the callback of `search` for a tracker; optuna-integration has them."""
    if name == "mlflow":
        from optuna_integration.mlflow import MLflowCallback  # a run for each trial

        return MLflowCallback(tracking_uri=MLFLOW, metric_name=OBJECTIVES)
    if name == "wandb":
        from optuna_integration.wandb import WeightsAndBiasesCallback  # one run for all trials

        return WeightsAndBiasesCallback(OBJECTIVES, {"project": "optuna_ofa", "name": "search"})
    from torch.utils.tensorboard import SummaryWriter

    writer: Any = SummaryWriter("runs/search")

    def log(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        for objective, value in zip(OBJECTIVES, trial.values, strict=True):
            writer.add_scalar(objective, value, trial.number)

    return log


def main() -> None:
    """Train a supernet for a few steps, and search another one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trackers", nargs="*", choices=["tensorboard", "mlflow", "wandb"])
    names = parser.parse_args().trackers

    images = packaged_images()  # some of Fashion-MNIST
    family = mobilenet_v3_small_images("mine", n_classes=10, in_channels=1, resolutions=(20, 28))
    settings = optuna_ofa.EvaluationSettings(calibration=images.train.tensors[0][:200])
    test = [tuple(part[:200] for part in images.test.tensors)]
    torch.manual_seed(0)
    history = train(
        optuna_ofa.Supernet(family),
        DataLoader(images.train, batch_size=32, shuffle=True),
        recipe=Sandwich(n_steps=N_STEPS, n_random=1),
        evaluate=lambda net, subnets: optuna_ofa.evaluate(net, subnets, test, settings).top1,
        evaluate_every=N_STEPS // 2,
        n_followed=0,
        callbacks=[training_tracker(name) for name in names],
    )
    print(history)

    study = optuna_ofa.study("ofa_mbv3_w1.0", objectives=OBJECTIVES, study_name="search", seed=0)
    study.search(N_TRIALS, callbacks=[search_tracker(name) for name in names])
    print(study.front())


if __name__ == "__main__":
    main()
