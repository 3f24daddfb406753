"""The images that come with the package: whose they are, which, and what they are good for."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import TensorDataset

import optuna_ofa
from optuna_ofa.data import (
    fashion_mnist,
    packaged_accuracies,
    packaged_accuracy,
    packaged_images,
    packaged_supernet,
)
from optuna_ofa.data._fashion_mnist import DEBIAN
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.space import get_family

FOLDER = Path(optuna_ofa.data.__file__).parent
FILE = FOLDER / "ofa_mbv3_fashion.images.npz"


@pytest.fixture(scope="module")
def content() -> dict[str, Any]:
    with np.load(FILE, allow_pickle=False) as file:
        return dict(file)


@pytest.mark.parametrize(("part", "n_each"), [("train", 50), ("test", 200)])
def test_each_class_has_the_same_number_of_images(part: str, n_each: int) -> None:
    images, labels = getattr(packaged_images(), part).tensors
    assert images.shape == (10 * n_each, 1, 28, 28)
    assert (images.dtype, labels.dtype) == (torch.float32, torch.int64)
    assert labels.bincount().tolist() == [n_each] * 10


def test_nothing_was_fitted_to_the_test_images(content: dict[str, Any]) -> None:
    index = content["test_index"]
    assert (index % 2 == 1).all()  # the predictor was fitted to the others
    assert len(set(index.tolist())) == len(index) == 2_000


def test_files_say_what_was_fitted_to_what(content: dict[str, Any]) -> None:
    about = json.loads(str(content["metadata"]))
    assert about["license"].startswith("MIT")
    path = packaged_accuracy(get_family("ofa_mbv3_fashion"))
    assert path is not None
    metadata = json.loads(path.read_text(encoding="utf-8"))["metadata"]
    assert metadata["fitted_on"] == about["accuracy_predictor_fitted_on"]


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="dataset-fashion-mnist is not installed")
@pytest.mark.parametrize("part", ["train", "test"])
def test_they_are_images_of_fashion_mnist(part: str, content: dict[str, Any]) -> None:
    index = content[f"{part}_index"].astype(np.int64)
    ours: TensorDataset = getattr(packaged_images(), part)
    theirs: TensorDataset = getattr(fashion_mnist(), part)
    for mine, all_of_them in zip(ours.tensors, theirs.tensors, strict=True):
        assert torch.equal(mine, all_of_them[index])


def test_subnets_are_about_as_accurate_on_them_as_on_others() -> None:
    matrix, top1 = packaged_accuracies()
    images = packaged_images()
    test = [tensor[::4] for tensor in images.test.tensors]
    found = optuna_ofa.evaluate(
        packaged_supernet(),
        matrix[:1],
        [tuple(test)],
        optuna_ofa.EvaluationSettings(calibration=images.train[:][0]),
        progress=False,
    )
    assert found.top1[0] == pytest.approx(top1[0], abs=3 * found.top1_std[0])


def test_another_name_is_an_error() -> None:
    with pytest.raises(InvalidArgumentError, match="_fashion, ofa_mbv3_fashion, but got 'toaster'"):
        packaged_images("toaster")


def test_the_readme_has_the_digest_and_the_licence() -> None:
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert hashlib.sha256(FILE.read_bytes()).hexdigest() in text
    assert "MIT" in text
    assert FILE.stat().st_size < 1.2e6
