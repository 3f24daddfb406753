"""What weights and data are told apart by."""

from __future__ import annotations

import torch

from optuna_ofa import Supernet
from optuna_ofa.evaluation import weights_hash
from optuna_ofa.evaluation._identity import data_hash, images_hash
from optuna_ofa.space import Family


def test_equal_weights_have_equal_hashes(family: Family, supernet: Supernet) -> None:
    other = Supernet(family)
    assert weights_hash(other) != weights_hash(supernet)
    other.load_state_dict(supernet.state_dict())
    assert weights_hash(other.eval()) == weights_hash(supernet)


def test_any_weight_or_statistic_changes_the_hash(supernet: Supernet) -> None:
    before = weights_hash(supernet)
    for tensor in list(supernet.state_dict().values())[::20]:
        kept = tensor.clone()
        tensor.view(-1)[-1] += 1
        assert weights_hash(supernet) != before
        tensor.copy_(kept)
    assert weights_hash(supernet) == before


def test_the_type_and_the_shape_count() -> None:
    zeros = torch.nn.ParameterDict({"a": torch.zeros(4)})
    hashes = {weights_hash(zeros)}
    hashes.add(weights_hash(torch.nn.ParameterDict({"a": torch.zeros(2, 2)})))
    hashes.add(weights_hash(torch.nn.ParameterDict({"a": torch.zeros(4, dtype=torch.bfloat16)})))
    hashes.add(weights_hash(torch.nn.ParameterDict({"b": torch.zeros(4)})))
    assert len(hashes) == 4


def test_data_is_the_same_in_any_order_and_batches() -> None:
    images, labels = torch.randn(20, 1, 4, 4), torch.arange(20) % 3
    order = torch.randperm(20)
    whole = data_hash([(images, labels)])
    shuffled = data_hash(zip(images[order].split(6), labels[order].split(6), strict=True))
    assert shuffled == whole


def test_another_label_image_or_copy_is_other_data() -> None:
    images, labels = torch.randn(20, 1, 4, 4), torch.arange(20) % 3
    hashes = [data_hash([(images, labels)]), data_hash([(images[:19], labels[:19])])]
    hashes.append(data_hash([(images, (labels + 1) % 3)]))
    hashes.append(data_hash([(images, labels), (images[:1], labels[:1])]))
    swapped = labels.clone()
    swapped[[0, 1]] = labels[[1, 0]]
    hashes.append(data_hash([(images, swapped)]))
    assert len(set(hashes)) == len(hashes)


def test_calibration_images_are_told_apart_by_their_order() -> None:
    images = torch.randn(5, 1, 4, 4)
    assert images_hash(images) != images_hash(images.flip(0))
    assert images_hash(images) == images_hash(images.clone(memory_format=torch.channels_last))
