"""Measure the packaged latency table of MobileNetV3 w1.0 on this CPU.

Each layer is timed where it stands: in nine subnets that hold every layer of the space, module
after module, so that inputs and caches are those of a network. Weights are random; torch eager,
float32, batch 1, one thread, channels last, batch normalisation not folded. Random subnets are
timed as a whole in the same rounds and compared with the table's sums. Takes about two minutes.
"""

from __future__ import annotations

import argparse
import ctypes
import itertools
import platform
import re
import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from optuna_ofa import LatencyTable, SearchSpace, Subnet, Supernet
from optuna_ofa.costs import LayerSum
from optuna_ofa.predictors import Entry
from optuna_ofa.space import Layer, subnet_layers

FAMILY = "ofa_mbv3_w1.0"
RESOLUTION = 224
N_ROUNDS = 200
N_WARM_UP = 5
N_CHECKED = 20
# slow passes are dropped, because others used the machine; whole passes, so that sums stay sums
KEPT_SHARE = 0.75

Times = NDArray[np.float64]


def keep_freed_memory() -> None:
    """Stop glibc from giving freed memory back, which slows some networks in some runs."""
    mallopt = ctypes.CDLL(None).mallopt
    mallopt(-1, 2**30)  # M_TRIM_THRESHOLD
    mallopt(-3, 2**25)  # M_MMAP_THRESHOLD, the most that is allowed


def device_name() -> str:
    """What Linux says of the processor."""
    path = Path("/proc/cpuinfo")
    text = path.read_text() if path.is_file() else ""
    fields = re.findall(r"^(model name|cpu family|model)\s*: (.*)$", text, re.MULTILINE)
    return ", ".join(f"{k} {v}" for k, v in dict(fields).items()) or platform.machine()


def covering_subnets(space: SearchSpace) -> list[Subnet]:
    """As many deepest subnets as a block has settings; each block has each setting once."""
    family = space.family
    pairs = list(itertools.product(family.kernels, family.expands))
    # neighbours differ: a layer is slower after others than after its own kind
    settings = [
        [pairs[(i + 4 * block) % len(pairs)] for block in range(family.n_blocks)]
        for i in range(len(pairs))
    ]
    depth = space.largest().depth
    return [Subnet(family, RESOLUTION, depth, *zip(*s, strict=True)) for s in settings]


def modules_of(net: nn.Sequential) -> list[nn.Module]:
    """One module for each layer, in order."""
    parts = ([*m] if name == "blocks" else [m] for name, m in net.named_children())
    return list(itertools.chain.from_iterable(parts))


def time_modules(modules: Sequence[nn.Module], x: torch.Tensor) -> list[float]:
    """Milliseconds that the process computed for each of a chain; waiting does not count."""
    stamps = [time.process_time_ns()]
    for module in modules:
        x = module(x)
        stamps.append(time.process_time_ns())
    return [ms / 1e6 for ms in np.diff(stamps)]


@torch.inference_mode()
def measure(chains: Sequence[Sequence[nn.Module]], n_rounds: int) -> list[Times]:
    """Milliseconds of each chain of modules, ``(n_kept, n_modules)``: its faster passes."""
    images = torch.randn(1, 3, RESOLUTION, RESOLUTION).to(memory_format=torch.channels_last)
    rounds = [[time_modules(chain, images) for chain in chains] for _ in range(n_rounds)]
    passes = [np.array(rows) for rows in zip(*rounds[N_WARM_UP:], strict=True)]
    return [p[np.argsort(p.sum(axis=1))[: int(KEPT_SHARE * len(p))]] for p in passes]


def layer_entries(subnets: Sequence[Subnet], passes: Sequence[Times]) -> dict[Layer, Entry]:
    """Mean and standard deviation of each layer, wherever it stands."""
    runs: dict[Layer, list[Times]] = defaultdict(list)
    for subnet, times in zip(subnets, passes, strict=True):
        for layer, column in zip(subnet_layers(subnet), times.T, strict=True):
            runs[layer].append(column)
    return {
        layer: Entry(float(np.mean(columns)), float(np.std(columns)), np.size(columns))
        for layer, columns in runs.items()
    }


def compare(sums: Times, whole: Times) -> dict[str, float]:
    """How far sums of layers are from whole networks."""
    signs = np.sign(sums[:, None] - sums) * np.sign(whole[:, None] - whole)
    errors = (sums - whole) / whole * 100
    tau = signs.sum() / (len(whole) * (len(whole) - 1))
    figures = {"mape_percent": np.abs(errors).mean(), "bias_percent": errors.mean(), "tau": tau}
    return {"n_subnets": len(whole)} | {key: round(float(v), 3) for key, v in figures.items()}


def main() -> None:
    """Measure, compare with whole subnets, and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path, nargs="?", default=f"{FAMILY}.cpu-torch.latency.json")
    parser.add_argument("--rounds", type=int, default=N_ROUNDS)
    arguments = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(1)
    space = SearchSpace(FAMILY, resolution=RESOLUTION)
    supernet = Supernet(space.family).eval().to(memory_format=torch.channels_last)
    covering, matrix = covering_subnets(space), space.sample(N_CHECKED, seed=0)
    chains = [modules_of(supernet.extract(subnet)) for subnet in covering]
    wholes = [[supernet.extract(subnet)] for subnet in space.from_matrix(matrix)]

    passes = measure([*chains, *wholes], arguments.rounds + N_WARM_UP)
    latencies = layer_entries(covering, passes[: len(covering)])
    sums = LayerSum(space, lambda layer, _: latencies[layer].mean_ms)(matrix)
    whole = np.array([times.mean() for times in passes[len(covering) :]])
    metadata = {
        "device": device_name(),
        "runtime": f"torch {torch.__version__} eager, channels last, not folded",
        "threads": 1,
        "batch": 1,
        "precision": "float32",
        "date": datetime.now(UTC).date().isoformat(),
        "method": f"CPU time of each layer where it stands in a network, fastest {KEPT_SHARE:.0%} "
        f"of {arguments.rounds} passes, freed memory kept, on a machine shared with others",
        "sums_against_whole_subnets": compare(sums, whole),
    }
    LatencyTable.from_measurements(
        family=space.family, resolutions=[RESOLUTION], latencies=latencies, metadata=metadata
    ).save(arguments.output)
    for total, ms in zip(sums, whole, strict=True):
        print(f"table {total:6.2f} ms, measured {ms:6.2f} ms")
    print(metadata, f"saved {len(latencies)} layers to {arguments.output}", sep="\n")


if __name__ == "__main__":
    main()
