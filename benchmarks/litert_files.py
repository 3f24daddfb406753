"""Exports for LiteRT beside the networks of torch, on the images of packaged supernets.

For subnets of each supernet, the smallest, the largest and random ones: the largest difference of
a logit in float32, the share of images with the same class and the accuracy, in float32 and in
8-bit integers, the difference of the accuracies on the same images with its standard error, the
sizes of the files and the CPU time of making both.

    python benchmarks/litert_files.py
    python benchmarks/litert_files.py --supernets microcontroller_fashion --random 10
"""

from __future__ import annotations

import argparse
import time

import torch
from _head import print_head
from torch import Tensor

from optuna_ofa import SearchSpace, Subnet, Supernet
from optuna_ofa.data import packaged_images, packaged_supernet
from optuna_ofa.evaluation import recalibrate
from optuna_ofa.graphs import fold_batch_norm, litert_of_net, quantized_litert_of_net, run_litert
from optuna_ofa.space import subnet_layers
from optuna_ofa.supernet import resize_images

HEAD = ("largest difference", "same class", "torch", "float32", "INT8", "INT8 - torch", "MB", "s")


def compared(supernet: Supernet, subnet: Subnet, calibration: Tensor, test: list[Tensor]) -> str:
    """Return a line of the table."""
    net = supernet.extract(subnet).eval()
    shown = resize_images(calibration, subnet.resolution)
    recalibrate(net, shown)
    fold_batch_norm(net)
    start = time.process_time()
    layers = subnet_layers(subnet)
    files = litert_of_net(net, layers), quantized_litert_of_net(net, layers, shown)
    taken = time.process_time() - start
    images, labels = resize_images(test[0], subnet.resolution), test[1]
    with torch.inference_mode():
        wanted = net(images)
    plain, int8 = (run_litert(content)(images) for content in files)
    right = [(logits.argmax(1) == labels).double() * 100 for logits in (wanted, plain, int8)]
    change = right[2] - right[0]
    same = [float((x.argmax(1) == wanted.argmax(1)).double().mean()) for x in (plain, int8)]
    return " | ".join(
        (
            f"{float((plain - wanted).abs().max()):.1e}",
            " / ".join(f"{share:.2%}" for share in same),
            *(f"{float(values.mean()):.2f}" for values in right),
            f"{float(change.mean()):+.2f} ± {float(change.std()) / len(change) ** 0.5:.2f}",
            " / ".join(f"{len(content) / 1e6:.2f}" for content in files),
            f"{taken:.1f}",
        )
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--supernets", nargs="+", default=["ofa_mbv3_fashion"])
    parser.add_argument("--random", type=int, default=3, help="random subnets (default: 3)")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print_head()
    print(f"seed {arguments.seed}")
    for name in arguments.supernets:
        supernet, images = packaged_supernet(name), packaged_images(name)
        space = SearchSpace(supernet.family)
        drawn = space.from_matrix(space.sample(arguments.random, seed=arguments.seed))
        named = {"smallest": space.smallest(), "largest": space.largest()}
        named |= {f"random {i}": subnet for i, subnet in enumerate(drawn)}
        print(f"\n| {name} | {' | '.join(HEAD)} |\n|{'---|' * (len(HEAD) + 1)}")
        for word, subnet in named.items():
            line = compared(supernet, subnet, images.train.tensors[0], list(images.test.tensors))
            print(f"| {word} | {line} |", flush=True)


if __name__ == "__main__":
    main()
