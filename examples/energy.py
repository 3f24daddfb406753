"""Search for accuracy and energy: a custom metric.

The energy of one inference is predicted by a simple model: a constant per multiply-add, another per
byte that is read or written, and the static power of the device while it computes. The constants
are those of a 45 nm process (M. Horowitz, "Computing's energy problem", ISSCC 2014, figure 1.1.9)
and an assumed static power; replace them with those of your device, or with a function that reads
your own table. Two points of the front are then measured if the processor has an energy counter
that this user may read (Intel and AMD under Linux; often root only).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import optuna
import torch
from numpy.typing import NDArray

import optuna_ofa
from optuna_ofa import Metric, SearchSpace, Subnet, Supernet
from optuna_ofa.data import packaged_supernet
from optuna_ofa.exceptions import MeasurementError
from optuna_ofa.predictors import CostPredictor
from optuna_ofa.space import Matrix

PJ_PER_MAC = 4.6  # float32: a multiplication of 3.7 and an addition of 0.9
PJ_PER_BYTE = 160.0  # 640 for 32 bits from DRAM
STATIC_WATTS = 0.5
LIMIT_MJ = 2.0
COUNTER = Path("/sys/class/powercap/intel-rapl:0/energy_uj")
SECONDS = 1.0  # of each measurement


class EnergyModel:
    """Millijoules per image, for a batch of genotypes.

    Args:
        space: The subnets.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._macs = CostPredictor("n_macs", space)
        self._moved_mb = CostPredictor("moved_mb", space)
        self._latency_ms = optuna_ofa.study(space).problem.predictors["latency_ms"]

    def __call__(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return ``(n,)`` numbers."""
        picojoule = PJ_PER_MAC * self._macs.predict(matrix)
        picojoule += PJ_PER_BYTE * 1e6 * self._moved_mb.predict(matrix)
        return 1e-9 * picojoule + STATIC_WATTS * self._latency_ms.predict(matrix)


def used_mj(before: int, after: int, counter: Path) -> float:
    """Return the increase of a counter in millijoules; it starts again at zero at its maximum.

    Raises:
        OSError: If it did not move, or restarted without a known maximum.
    """
    used = after - before
    if used < 0:
        used += int(counter.with_name("max_energy_range_uj").read_text())
    if used <= 0:
        raise OSError(
            f"{counter} moved from {before} to {after}: it does not work or is too coarse"
        )
    return 1e-3 * used


def energy_meter(supernet: Supernet, counter: Path) -> Callable[[Subnet], float]:
    """Return a function that measures a subnet: the counter's increase per image, minus idle."""

    def power(call: Callable[[], object]) -> tuple[float, float]:
        """Return milliwatts, and calls per second."""
        before, start, n = int(counter.read_text()), time.perf_counter(), 0
        while (seconds := time.perf_counter() - start) < SECONDS:
            call()
            n += 1
        return used_mj(before, int(counter.read_text()), counter) / seconds, n / seconds

    def measure(subnet: Subnet) -> float:
        net = supernet.extract(subnet).eval()
        image = torch.zeros(1, 1, subnet.resolution, subnet.resolution)
        idle, _ = power(lambda: time.sleep(0.01))
        with torch.inference_mode():
            busy, per_second = power(lambda: net(image))
        if busy <= idle:
            raise RuntimeError(
                f"{1e-3 * busy:.1f} W while computing, but {1e-3 * idle:.1f} W before: other "
                f"programs use the processor"
            )
        return (busy - idle) / per_second

    return measure


def main() -> None:
    """Search, print the best subnets under some energies, and measure two if possible."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--evaluations", type=int, default=2000)
    parser.add_argument("--counter", type=Path, default=COUNTER, help="file in microjoules")
    parser.add_argument("--folder", type=Path, default=Path("."), help="folder of the report")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    supernet = packaged_supernet()
    space = SearchSpace(supernet.family)
    energy = Metric("energy_mj", unit="mJ", direction="minimize", predictor=EnergyModel(space))
    study = optuna_ofa.study(
        space,
        predictors=[energy],
        objectives=["top1", "energy_mj"],
        constraints={"energy_mj": LIMIT_MJ},
        seed=0,
    )
    study.search(arguments.evaluations)
    front = study.front()
    cheapest, largest = front[0].values["energy_mj"], front[-1].values["energy_mj"]
    for limit in np.linspace(cheapest, largest, 4)[1:]:
        print(f"within {limit:.2f} mJ: {front.best(energy_mj=limit)}")
    print(f"knee: {front.knee()}")
    print(f"report: {study.report(arguments.folder / 'energy.html')}")

    try:
        arguments.counter.read_text()
    except OSError as error:
        print(f"nothing is measured: {error}")
        return
    measure = energy_meter(supernet, arguments.counter)
    try:
        print(study.verify({"energy_mj": measure}, points=2))
    except MeasurementError as error:
        print(f"nothing is measured: {error}")


if __name__ == "__main__":
    main()
