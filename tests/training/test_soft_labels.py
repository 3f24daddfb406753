"""Labels that are probabilities, as mixup and CutMix make them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import one_hot
from torch.utils.data import DataLoader, TensorDataset, default_collate

from optuna_ofa.supernet import Supernet
from optuna_ofa.training import Recipe, Sandwich, TrainingSettings, train

Make = Callable[..., Supernet]
HARD = Sandwich(n_steps=1, n_random=0, label_ratio=1.0, soft_ratio=0.0)
TAUGHT = Sandwich(n_steps=1, n_random=0, label_ratio=0.5, soft_ratio=0.5, teacher="frozen")


def loss(net: Supernet, images: Tensor, labels: Tensor, recipe: Recipe = HARD) -> float:
    """The loss of the first step."""
    history = train(net, [(images, labels)], recipe=recipe, n_followed=0, progress=False)
    return history.entries[0].loss


@pytest.mark.parametrize("recipe", [HARD, TAUGHT], ids=["labels", "distillation"])
def test_mixed_labels_have_the_expected_loss_of_both(
    recipe: Recipe, make_supernet: Make, dataset: TensorDataset
) -> None:
    """As mixup of torchvision: each image is mixed with the one before it."""
    images, labels = (part[:16] for part in dataset.tensors)
    share = 0.3
    mixed = share * images + (1 - share) * images.roll(1, 0)
    hard = one_hot(labels, 4).float()
    found = loss(make_supernet(), mixed, share * hard + (1 - share) * hard.roll(1, 0), recipe)
    one, other = (loss(make_supernet(), mixed, of, recipe) for of in (labels, labels.roll(1, 0)))
    assert one != pytest.approx(other, rel=1e-3)
    assert found == pytest.approx(share * one + (1 - share) * other, rel=1e-5)


def test_certain_labels_train_the_same_weights_as_indices(
    make_supernet: Make, dataset: TensorDataset
) -> None:
    images, labels = (part[:16] for part in dataset.tensors)
    one, other = make_supernet().double(), make_supernet().double()
    loss(one, images.double(), labels)
    loss(other, images.double(), one_hot(labels, 4).float())
    torch.testing.assert_close(other.state_dict(), one.state_dict(), rtol=1e-9, atol=1e-12)


def test_a_batch_is_mixed_anew_in_each_epoch_but_not_in_each_run(
    make_supernet: Make, dataset: TensorDataset
) -> None:
    seen: list[Tensor] = []

    def mixed(items: list[Any]) -> tuple[Tensor, Tensor]:
        images, labels = default_collate(items)
        share = torch.distributions.Beta(0.2, 0.2).sample()
        hard = one_hot(labels, 4).float()
        seen.append(share)
        return (images.lerp(images.roll(1, 0), share), hard.lerp(hard.roll(1, 0), share))

    for _ in range(2):
        loader = DataLoader(TensorDataset(*dataset[:16]), 16, collate_fn=mixed)
        recipe = Sandwich(n_steps=2, n_random=0)
        train(make_supernet(), loader, recipe=recipe, n_followed=0, progress=False)
    assert seen[0] != seen[1]
    assert seen[:2] == seen[2:]


def test_labels_are_smoothed_whatever_their_kind(
    make_supernet: Make, dataset: TensorDataset
) -> None:
    images, labels = (part[:16] for part in dataset.tensors)
    smooth = 0.9 * one_hot(labels, 4).float() + 0.1 / 4
    plain = TrainingSettings(label_smoothing=0.0)
    options: dict[str, Any] = {"recipe": HARD, "n_followed": 0, "progress": False}
    by_hand = train(make_supernet(), [(images, smooth)], settings=plain, **options)
    assert by_hand.entries[0].loss == pytest.approx(loss(make_supernet(), images, labels), rel=1e-5)
