"""Measure the subnets that matter on the device itself, a batch at a time.

A search on predictions costs seconds; a measurement on a device may cost minutes, so only a few
subnets are measured. `ask_batch` returns the most informative ones of the predicted front, and
`tell_batch` takes the measurements. Here the device is this CPU, and the supernet has random
weights: the latencies are real, the accuracies are the predicted ones with noise, as a stand-in for
a validation run. A subnet that cannot be measured would be reported as None.

Run it again to continue: nothing is measured twice. Several instances may run at the same time, for
example one per device of a rack, on one PostgreSQL or MySQL database.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
import optuna
import torch

import optuna_ofa
from optuna_ofa import Subnet, Supernet
from optuna_ofa.space import Family
from optuna_ofa.studies import Asked

FAMILY = "ofa_mbv3_w1.0"
N_PREDICTED = 2_000
N_BATCHES = 3
BATCH_SIZE = 4
N_PASSES = 15
N_WARM_UP = 3
ACCURACY_NOISE = 0.1  # percentage points


def latency_ms(net: torch.nn.Module, resolution: int) -> float:
    """Median CPU milliseconds of a forward pass of one image, without waiting times."""
    image = torch.randn(1, 3, resolution, resolution).to(memory_format=torch.channels_last)
    times = []
    with torch.inference_mode():
        for _ in range(N_WARM_UP + N_PASSES):
            start = time.process_time()
            net(image)
            times.append(1e3 * (time.process_time() - start))
    return statistics.median(times[N_WARM_UP:])


class Device:
    """This CPU, with one thread."""

    def __init__(self, family: Family, seed: int) -> None:
        self._supernet = Supernet(family).eval()
        self._rng = np.random.default_rng(seed)

    def net(self, subnet: Subnet) -> torch.nn.Module:
        """The subnet as a standalone network."""
        return self._supernet.extract(subnet).eval().to(memory_format=torch.channels_last)

    def measure(self, asked: Asked) -> tuple[float, float]:
        """Top-1 in percent, simulated, and milliseconds, measured."""
        top1 = asked.predicted["top1"] + self._rng.normal(0, ACCURACY_NOISE)
        return top1, latency_ms(self.net(asked.subnet), asked.subnet.resolution)


def main() -> None:
    """Search on predictions, then measure batch after batch."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--storage", help="URL of a database; default: in memory")
    parser.add_argument("--batches", type=int, default=N_BATCHES)
    parser.add_argument("--size", type=int, default=BATCH_SIZE, help="subnets per batch")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    torch.set_num_threads(1)

    study = optuna_ofa.study(
        FAMILY, storage=arguments.storage, study_name="measured", load_if_exists=True, seed=0
    )
    study.search(until=N_PREDICTED)
    device = Device(study.space.family, seed=0)
    for i in range(arguments.batches):
        asked = study.ask_batch(arguments.size)
        values = [device.measure(one) for one in asked]
        study.tell_batch(asked, values)
        print(f"Batch {i + 1}:")
        for one, (top1, ms) in zip(asked, values, strict=True):
            predicted = one.predicted["latency_ms"]
            print(f"  trial {one.number}: {top1:.2f} %, {ms:6.2f} ms (predicted {predicted:.2f})")

    front = study.front(kind="measured")
    n_measured = len(study.results(kind="measured").numbers)
    print(f"\n{len(front)} of {n_measured} measured subnets are on their Pareto front:")
    for point in front:
        print(f"  {point}")


if __name__ == "__main__":
    main()
