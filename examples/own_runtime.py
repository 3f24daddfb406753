"""Profile a custom runtime: a class that loads a graph and runs it.

Here it is ONNX Runtime without its optimisations, as a stand-in for whatever runs on your device.
It cannot report the times of layers, so every layer is measured alone. The table is then compared
with measurements of whole subnets.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnxruntime

import optuna_ofa
from optuna_ofa import SearchSpace

FAMILY = "ofa_mbv3_w1.0"


class PlainSession:
    """One loaded graph."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        self.session = onnxruntime.InferenceSession(path, options)
        (x,) = self.session.get_inputs()
        self.feeds = {x.name: np.random.default_rng(0).random(x.shape, dtype=np.float32)}

    def run(self) -> None:
        """One inference; a device with a clock of its own returns its milliseconds."""
        self.session.run(None, self.feeds)


class PlainRuntime:
    """A runtime for `profile` and `measure`."""

    name = "onnxruntime, not optimised"
    suffix = ".onnx"  # which graphs it loads: .onnx, .pte or .layers.json
    profiles = False  # a runtime that reports the times of operators also has `layer_times`

    def versions(self) -> dict[str, str]:
        """Versions that the latency depends on."""
        return {"onnxruntime": onnxruntime.__version__}

    def load(self, path: Path, *, profile: bool = False) -> PlainSession:
        """Load a graph; any exception is recorded, and the other graphs are still measured."""
        return PlainSession(path)


def main() -> None:
    """Profile, measure, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("own_runtime.json"))
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--subnets", type=int, default=20)
    arguments = parser.parse_args()
    settings = optuna_ofa.MeasurementSettings(
        runtime=PlainRuntime(), n_rounds=arguments.rounds, max_spread=1
    )
    # fewer layers than the whole family has, to finish within a minute
    space = SearchSpace(FAMILY).restrict(resolution=[128, 160, 192], kernel=[3, 5], expand=[3, 6])

    table = optuna_ofa.profile(space, settings, out=arguments.out)
    matrix = space.sample(arguments.subnets, seed=0)
    measured = optuna_ofa.measure(space, matrix, settings, anchor_ms=table.metadata["anchor_ms"])
    predictor = optuna_ofa.LatencyPredictor(table=table, space=space)
    print(optuna_ofa.latency_report({"table": predictor}, measured))


if __name__ == "__main__":
    main()
