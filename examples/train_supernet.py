"""Train a supernet on your own images: one loader, one recipe, one call.

    python examples/train_supernet.py --out runs/fashion.pth

As written, it trains a small MobileNetV3 on Fashion-MNIST, on a CPU. For your own images, change
`make_loaders` and the constants. If it is interrupted, run it again to continue.
On several GPUs: torchrun --nproc-per-node 4 examples/train_supernet.py
Restarts after a lost process: TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 torchrun --max-restarts 3 ...
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor
from torch.utils.data import DataLoader, DistributedSampler

from optuna_ofa import SearchSpace, Subnet, Supernet, save_supernet
from optuna_ofa.data import fashion_mnist
from optuna_ofa.evaluation import EvaluationSettings, evaluate
from optuna_ofa.space import Family, get_family, mobilenet_v3_small_images
from optuna_ofa.training import (
    FineTuning,
    ProgressiveShrinking,
    Recipe,
    Sandwich,
    TrainingSettings,
    train,
)

# grey images of 28 pixels; colour images have 3 channels
FAMILY = mobilenet_v3_small_images(
    "ofa_mbv3_fashion", n_classes=10, in_channels=1, resolutions=(20, 24, 28)
)
LEARNING_RATE, BATCH_SIZE = 0.05, 64
# the last two train one subnet alone, for comparison
RECIPES = ("labels", "sandwich", "shrinking", "largest", "smallest")
SETTINGS = TrainingSettings(seed=0, weight_decay=3e-5, average_decay=0.995)
# images that set the statistics of batch normalisation before a subnet is evaluated
N_CALIBRATION = 1000


def main() -> None:
    """Train, log accuracies, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--family", type=get_family, default=FAMILY)
    parser.add_argument("--out", type=Path, default=Path("runs/fashion.pth"))
    parser.add_argument("--recipe", choices=RECIPES, default="labels")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--images", type=Path, help="folder with the Fashion-MNIST files")
    parser.add_argument("--tested", type=int, default=10_000, help="number of test images")
    arguments = parser.parse_args()
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    supernet = Supernet(arguments.family).to(start_processes())
    supernet.to(memory_format=torch.channels_last)  # a fifth less time on a CPU
    loader, test, calibration = make_loaders(arguments.images, arguments.tested)

    def accuracies(net: Supernet, subnets: Sequence[Subnet]) -> np.ndarray:
        return evaluate(
            net,
            subnets,
            test,
            EvaluationSettings(
                calibration=calibration,
                n_calibration=N_CALIBRATION,
                device=next(net.parameters()).device,
            ),
            progress=False,
        ).top1

    history = train(
        supernet,
        loader,
        recipe=make_recipe(arguments.recipe, arguments.steps, arguments.family),
        settings=SETTINGS,
        checkpoint=arguments.out.with_suffix(".checkpoint"),
        checkpoint_every=100,
        evaluate=accuracies,
    )
    if is_first():
        save_supernet(supernet, arguments.out)
        print(history)
        print(f"{SearchSpace(arguments.family)} in {arguments.out}")
    if dist.is_initialized():
        dist.destroy_process_group()


def make_recipe(name: str, n_steps: int, family: Family = FAMILY) -> Recipe:
    """The sandwich rule, with labels for all or as published; progressive shrinking; one subnet."""
    sandwich = Sandwich(n_steps=n_steps, learning_rate=LEARNING_RATE)
    if name == "labels":  # while the largest subnet is untrained, its outputs teach little
        return replace(sandwich, label_ratio=1.0, soft_ratio=0.0, shared_resolution=False)
    if name == "sandwich":
        return sandwich
    if name == "shrinking":
        return ProgressiveShrinking(n_steps=n_steps, learning_rate=LEARNING_RATE)
    space = SearchSpace(family)
    subnet = space.largest() if name == "largest" else space.smallest()
    return FineTuning(
        subnet=subnet, n_steps=n_steps, learning_rate=LEARNING_RATE, n_warmup_steps=n_steps // 20
    )


def make_loaders(
    folder: Path | None, n_tested: int
) -> tuple[DataLoader[tuple[Tensor, ...]], list[tuple[Tensor, ...]], Tensor]:
    """Batches to train on, batches to test on, and images to recalibrate with."""
    data = fashion_mnist(folder)
    sampler = DistributedSampler(data.train) if dist.is_initialized() else None
    loader = DataLoader(
        data.train,
        BATCH_SIZE // (dist.get_world_size() if dist.is_initialized() else 1),
        sampler=sampler,
        shuffle=sampler is None,
        drop_last=True,
        collate_fn=augmented,
    )
    images, labels = data.test[:n_tested]
    test = list(zip(images.split(500), labels.split(500), strict=True))
    return loader, test, data.train[:N_CALIBRATION][0]


def augmented(items: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """A batch of images, shifted by up to two pixels, half of them mirrored."""
    images = torch.stack([image for image, _ in items])
    labels = torch.stack([label for _, label in items])
    mirrored = torch.rand(len(images)) < 0.5
    images[mirrored] = images[mirrored].flip(-1)
    down, right = torch.randint(-2, 3, (2,)).tolist()
    return images.roll((down, right), (-2, -1)), labels


def start_processes() -> torch.device:
    """Join the others under torchrun; the device of this process."""
    if dist.is_torchelastic_launched():
        dist.init_process_group()
    if not torch.cuda.is_available():
        return torch.device("cpu")
    torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)))
    return torch.device("cuda")


def is_first() -> bool:
    """Whether this process prints and saves."""
    return not dist.is_initialized() or dist.get_rank() == 0


if __name__ == "__main__":
    main()
