"""Supernets trained on scikit-learn's digits: what training subnets is for."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from optuna_ofa import EvaluationSettings, SearchSpace, Subnet, Supernet, evaluate
from optuna_ofa.space import mobilenet_v3_small_images
from optuna_ofa.training import FineTuning, Recipe, Sandwich, TrainingSettings, train

N_STEPS, N_TRAIN, BATCH_SIZE, LEARNING_RATE = 60, 1_300, 50, 0.1
SPACE = SearchSpace(
    mobilenet_v3_small_images("digits", n_classes=10, in_channels=1, width=0.5, resolutions=(8,))
)


def accuracies_after(recipe: Recipe, subnets: list[Subnet]) -> np.ndarray:
    digits = pytest.importorskip("sklearn.datasets").load_digits()
    order = np.random.default_rng(0).permutation(len(digits.images))
    images = torch.tensor(digits.images[order], dtype=torch.float32)[:, None] / 8 - 1
    labels = torch.tensor(digits.target[order])
    loader = list(
        zip(images[:N_TRAIN].split(BATCH_SIZE), labels[:N_TRAIN].split(BATCH_SIZE), strict=True)
    )
    torch.manual_seed(0)
    supernet = Supernet(SPACE.family)
    train(supernet, loader, recipe=recipe, settings=TrainingSettings(seed=0))
    test = [(images[N_TRAIN:], labels[N_TRAIN:])]
    return evaluate(supernet, subnets, test, EvaluationSettings(calibration=images[:300])).top1


def test_trained_subnets_are_far_better_than_slices_of_the_largest() -> None:
    largest = SPACE.largest()
    subnets = [largest, SPACE.smallest(), *SPACE.from_matrix(SPACE.sample(5, seed=1))]
    recipe = Sandwich(n_steps=N_STEPS, learning_rate=LEARNING_RATE)
    trained = accuracies_after(recipe, subnets)
    alone = FineTuning(subnet=largest, n_steps=N_STEPS, learning_rate=LEARNING_RATE)
    slices = accuracies_after(alone, subnets)
    assert trained[1] > slices[1] + 25
    assert trained[2:].mean() > slices[2:].mean() + 15
    assert slices[0] > slices[1:].max()  # it was trained, though its slices were not
