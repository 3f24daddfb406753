"""Predicted arenas and files of INT8 networks beside those of TFLite Micro and of exports.

Random subnets of the packaged supernet, of ProxylessNAS at 64 to 160 pixels, of the family for
microcontrollers and of other families are written as INT8 files, the packaged ones with their
weights, the others with random ones. TFLite Micro's own interpreter reports the arena of each. A
breach is a network whose arena is larger than predicted, so that a limit could let it through.

    python benchmarks/microcontrollers.py
"""

from __future__ import annotations

import argparse
import logging
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from _head import print_head, spent
from numpy.typing import NDArray
from torch import Tensor, nn

from optuna_ofa import SearchSpace, Subnet
from optuna_ofa.costs import MICRO_RUNTIME, arena_bytes, flash_bytes
from optuna_ofa.data import packaged_supernet
from optuna_ofa.graphs import (
    build_net,
    fold_batch_norm,
    quantized_litert_of_net,
    tflite_micro_version,
)
from optuna_ofa.predictors import CostPredictor
from optuna_ofa.space import get_family, subnet_layers

PACKAGED = "ofa_mbv3_fashion"
SIZES = (64, 80, 96, 112, 128, 144, 160)
OTHERS = ("resnet20_cifar10", "efficientnet_lite0", "microcontroller_w0.35", "efficientnet_b0")
N_IMAGES = 2  # ranges of activations change neither
N_ROWS = 10_000
# all files in one process, which is faster than `arena_of` for each
_SCRIPT = """
import sys
from tflite_micro.python.tflite_micro import runtime
for path in sys.argv[1:]:
    runtime.Interpreter.from_file(path, arena_size=2**26).print_allocations()
"""


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=200, help="subnets of the packaged supernet")
    parser.add_argument("--n-proxyless", type=int, default=30, help="subnets of ProxylessNAS")
    parser.add_argument("--n-others", type=int, default=5, help="subnets of each other family")
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print_head()
    print(f"predicted for {MICRO_RUNTIME}, measured by {tflite_micro_version()}; seeds 0 and 1")
    proxyless = replace(
        get_family("ofa_proxyless_w1.3"), name="proxyless_small", aliases=(), resolutions=SIZES
    )
    print_row(
        "family", "networks", "arena kB", "within 3 %", "exact", "lowest", "breaches", "flash"
    )
    for space, n in (
        (SearchSpace(PACKAGED), arguments.n),
        (SearchSpace.of_table(proxyless), arguments.n_proxyless),
        *((SearchSpace(name), arguments.n_others) for name in OTHERS),
    ):
        print_errors(space, n)
    print_weights()
    for name in (PACKAGED, "microcontroller_w0.35", "ofa_mbv3_w1.0"):
        print_speed(name)


def print_row(*cells: object) -> None:
    """Print one line of the table."""
    print(" ".join(f"{cell!s:>16}" for cell in cells), flush=True)


def print_errors(space: SearchSpace, n: int) -> None:
    """Print the errors of the predictions for random subnets."""
    matrix = drawn(space, n)
    layers = [subnet_layers(subnet) for subnet in space.from_matrix(matrix)]
    predicted = CostPredictor("sram_kb", space).predict(matrix) * 1024
    assert predicted.tolist() == [arena_bytes(one) for one in layers]
    contents = list(files(space, matrix))
    measured = arenas_of(contents)
    flash = CostPredictor("flash_kb", space).predict(matrix) * 1024
    off = flash / [len(content) for content in contents] - 1
    print_row(
        space.name,
        len(matrix),
        f"{measured.min() / 1024:.0f} to {measured.max() / 1024:.0f}",
        f"{np.mean(np.abs(predicted / measured - 1) <= 0.03):.1%}",
        f"{np.mean(predicted == measured):.1%}",
        f"{(predicted - measured).min():+,.0f} bytes",
        int((predicted < measured).sum()),
        f"{off.min():+.2%} {off.max():+.2%}",
    )


def arenas_of(contents: Sequence[bytes]) -> NDArray[np.int64]:
    """Return the bytes that TFLite Micro's interpreter reports for each file."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{i:03d}.tflite" for i in range(len(contents))]
        for path, content in zip(paths, contents, strict=True):
            path.write_bytes(content)
        found = subprocess.run(
            [sys.executable, "-c", _SCRIPT, *map(str, paths)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=True,
        ).stdout.decode()
    totals = re.findall(r"Arena allocation total (\d+) bytes", found)
    assert len(totals) == len(contents)
    return np.array(totals, dtype=np.int64)


def drawn(space: SearchSpace, n: int) -> NDArray[np.int16]:
    """Draw subnets: half by choices, half from the smallest to the largest."""
    by_size = space.sample(n // 2, seed=1, uniform_over="sizes")
    return np.concatenate([space.sample(n - n // 2, seed=0), by_size])


def files(space: SearchSpace, matrix: NDArray[np.int16]) -> Iterator[bytes]:
    """Yield the INT8 file of each subnet."""
    supernet = packaged_supernet() if space.name == PACKAGED else None
    for subnet in space.from_matrix(matrix):
        assert isinstance(subnet, Subnet)
        layers = subnet_layers(subnet)
        if supernet is None:
            net: nn.Module = build_net(layers, fold=True)
        else:
            net = supernet.extract(subnet).eval()
            fold_batch_norm(net)
        yield quantized_litert_of_net(net, layers, images_of(subnet))


def images_of(subnet: Subnet) -> Tensor:
    """Return random images."""
    size = subnet.resolution
    return torch.randn(N_IMAGES, subnet.family.in_channels, size, size)


def print_weights() -> None:
    """Print the sizes of files of one subnet with several random weights."""
    subnet = SearchSpace(PACKAGED).smallest()
    assert isinstance(subnet, Subnet)
    layers, sizes = subnet_layers(subnet), []
    for seed in range(5):
        torch.manual_seed(seed)
        net = build_net(layers, fold=True)
        sizes.append(len(quantized_litert_of_net(net, layers, images_of(subnet))))
    print(f"the smallest subnet with five random weights: {sizes}, predicted {flash_bytes(layers)}")


def print_speed(name: str) -> None:
    """Print the CPU seconds of predictions."""
    space = SearchSpace(name)
    with spent() as made:
        predictors = [CostPredictor(metric, space) for metric in ("sram_kb", "flash_kb")]
    matrix = space.sample(N_ROWS, seed=0)
    of_rows = []
    for predictor in predictors:
        with spent() as seconds:
            predictor.predict(matrix)
        of_rows.append(f"{predictor.metric} {seconds.cpu:.2f} s")
    print(f"{N_ROWS:,} subnets of {name}: {', '.join(of_rows)}; made in {made.cpu:.2f} s of CPU")


if __name__ == "__main__":
    main()
