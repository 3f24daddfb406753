"""Search for accuracy and the measured energy of an NVIDIA GPU: a meter of your own.

The energy counter of the GPU (Volta or newer) is read by NVML, `pip install 'optuna-ofa[nvml]'`.
A few random subnets are measured, a model is fitted to them, the front is searched by its
predictions, and points of the front are measured.

    python examples/energy_nvml.py
    python examples/energy_nvml.py --device cuda:1 --measured 20 --seconds 5
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import optuna
import torch

import optuna_ofa
from optuna_ofa import Metric, NetworkLatencyPredictor, SearchSpace, Subnet, Supernet
from optuna_ofa.data import packaged_supernet

try:
    import pynvml
except ModuleNotFoundError as error:
    raise SystemExit("pynvml is missing: pip install 'optuna-ofa[nvml]'") from error

HINTS = {
    pynvml.NVML_ERROR_LIBRARY_NOT_FOUND: "this machine has no NVIDIA driver",
    pynvml.NVML_ERROR_NO_PERMISSION: "this user or container may not read the counter",
    pynvml.NVML_ERROR_NOT_SUPPORTED: "the counter needs Volta or newer, and a whole GPU, not a "
    "MIG slice",
}


class GpuEnergy:
    """Millijoules per image, and their standard deviation: a meter for `study.verify`.

    It is the whole energy of the GPU while it computes, static power included, so nothing else
    may run there. Any fault of the counter is an `OSError`, which ends measuring.

    Args:
        supernet: Has the weights of all subnets.
        device: The GPU, as torch names it.
        batch: Number of images at once.
        seconds: Duration of a repeat. A counter moves every 20 to 100 ms, which is its error.
        repeats: Number of repeats, at least two.
    """

    def __init__(
        self, supernet: Supernet, device: str, *, batch: int, seconds: float, repeats: int = 3
    ) -> None:
        self._supernet, self._device, self._batch = supernet, torch.device(device), batch
        self._seconds, self._repeats = seconds, repeats
        try:
            pynvml.nvmlInit()
            self._gpu = self._handle()
        except pynvml.NVMLError as error:
            raise _fault(error) from error
        self._millijoules()  # so that a GPU without a counter fails here

    def __call__(self, subnet: Subnet) -> tuple[float, float]:
        """Measure one subnet."""
        net = self._supernet.extract(subnet).eval().to(self._device)
        channels, size = self._supernet.family.in_channels, subnet.resolution
        images = torch.zeros(self._batch, channels, size, size, device=self._device)
        with torch.inference_mode():
            self._repeat(net, images)  # warms up
            found = [self._repeat(net, images) for _ in range(self._repeats)]
        return float(np.mean(found)), float(np.std(found, ddof=1))

    def _repeat(self, net: torch.nn.Module, images: torch.Tensor) -> float:
        before, end, n = self._millijoules(), time.perf_counter() + self._seconds, 0
        while time.perf_counter() < end:
            net(images)
            if self._device.type == "cuda":
                torch.cuda.synchronize(self._device)
            n += 1
        used = self._millijoules() - before
        if used <= 0:
            raise OSError(
                f"the energy counter of the GPU moved by {used} mJ in {self._seconds:g} s, so it "
                f"does not work or is too coarse: measure for longer"
            )
        return used / (n * self._batch)

    def _millijoules(self) -> int:
        try:
            return int(pynvml.nvmlDeviceGetTotalEnergyConsumption(self._gpu))
        except pynvml.NVMLError as error:
            raise _fault(error) from error

    def _handle(self) -> object:
        """Return the GPU by its UUID, because torch and NVML number them differently."""
        if self._device.type != "cuda":
            return pynvml.nvmlDeviceGetHandleByIndex(0)
        if not torch.cuda.is_available():
            raise OSError(f"this torch does not see a GPU: `--device {self._device}` needs CUDA")
        uuid = torch.cuda.get_device_properties(self._device).uuid
        return pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")


def _fault(error: pynvml.NVMLError) -> OSError:
    hint = HINTS.get(error.value)
    return OSError(f"NVML: {error}" + (f": {hint}" if hint else ""))


def main() -> None:
    """Measure some subnets, learn, search, and measure the front."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cuda:0", help="where the subnets run")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each repeat")
    parser.add_argument("--measured", type=int, default=10, help="random subnets to learn from")
    parser.add_argument("--evaluations", type=int, default=2000)
    parser.add_argument("--folder", type=Path, default=Path("."), help="folder of the report")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    supernet = packaged_supernet()
    space = SearchSpace(supernet.family)
    try:
        meter = GpuEnergy(
            supernet, arguments.device, batch=arguments.batch, seconds=arguments.seconds
        )
    except OSError as error:
        raise SystemExit(f"nothing is measured: {error}") from error
    matrix = space.sample(arguments.measured, seed=0)
    measured = np.array([meter(subnet)[0] for subnet in space.from_matrix(matrix)])
    # a sum of terms with prices of their own, which energy is as much as latency
    model = NetworkLatencyPredictor.fit(space, matrix, measured, like=[])
    energy = Metric("energy_mj", unit="mJ", direction="minimize", predictor=model.predict)
    study = optuna_ofa.study(space, predictors=[energy], objectives=["top1", "energy_mj"], seed=0)
    study.search(arguments.evaluations)
    print(f"learned from {len(matrix)} subnets; knee: {study.front().knee()}")
    print(study.verify({"energy_mj": meter}, points=4))
    print(f"report: {study.report(arguments.folder / 'energy_nvml.html')}")


if __name__ == "__main__":
    main()
