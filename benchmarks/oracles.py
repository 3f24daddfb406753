"""The published numbers that this package must reproduce exactly, beside what it computes.

python benchmarks/oracles.py --data ../shared/data
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from optuna_ofa import AccuracyPredictor, LatencyTable, SearchSpace
from optuna_ofa.costs import LayerSum, layer_macs, layer_params
from optuna_ofa.space import (
    layers_from_net_config,
    read_measured_subnets,
    read_specialized,
    subnet_from_net_config,
    subnet_layers,
)

CSV_FILES = (
    "mbnv3w10_evoga_acc",
    "mbnv3w10_evonsga2_acc_macs",
    "mbnv3w10_evounsga3_acc_macs_params",
)


def main() -> None:
    """Print a line for each number."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the published files")
    data = parser.parse_args().data
    _specialized(data)
    _ends(data)
    _counts(data)


def _specialized(data: Path) -> None:
    note10 = LatencyTable.load(data / "note10_w1.2")
    config, _ = read_specialized(data / "specialized" / "note10_lat-30ms_top1-78.4_finetune-75")
    entry = note10.layers(layers_from_net_config(config, 224), 224)
    print(f"note10_lat-30ms at 224 on Note10: {entry.mean_ms:.2f} ms (published 29.97)")
    for folder in sorted((data / "specialized").iterdir()):
        config, resolution = read_specialized(folder)
        macs = sum(map(layer_macs, layers_from_net_config(config, resolution))) / 1e6
        family = subnet_from_net_config(config, resolution).family.name
        print(f"{folder.name}: {family}, {macs:.1f} M MACs at {resolution}")


def _ends(data: Path) -> None:
    space = SearchSpace("ofa_mbv3_w1.2", resolution=(160, 176, 192, 208, 224))
    ends = space.to_matrix([space.smallest(), space.largest()])
    latency = LatencyTable.load(data / "note10_w1.2").layers
    top1 = AccuracyPredictor.load(data / "ofa_mbv3_w1.2_acc_predictor.pth").predict(ends)
    published = ("9.890 ms / 75.31 %", "92.398 ms / 83.59 %")
    for subnet, accuracy, words in zip(space.from_matrix(ends), top1, published, strict=True):
        mean = latency(subnet_layers(subnet), subnet.resolution).mean_ms
        print(f"Note10 {mean:.3f} ms / {accuracy:.2f} % (published {words}): {subnet}")
    space = SearchSpace("ofa_mbv3_w1.2", resolution=224)
    table = LatencyTable.load(data / "i7-8700k_w1.0" / "i7-8700K_lut.yaml")
    for subnet, ms in ((space.smallest(), 8.0), (space.largest(), 45.9)):
        mean = table.layers(subnet_layers(subnet), 224).mean_ms
        print(f"i7-8700K {mean:.1f} ms (published {ms})")


def _counts(data: Path) -> None:
    space = SearchSpace("ofa_mbv3_w1.0", resolution=224)
    macs = LayerSum(space, lambda layer, _: layer_macs(layer))
    params = LayerSum(space, lambda layer, _: layer_params(layer))
    ends = space.to_matrix([space.smallest(), space.largest()])
    print(
        f"w1.0 at 224: {params(ends)} parameters (published 3,410,792 and 7,664,760), "
        f"{(macs(ends) / 1e6).round(2)} M MACs (published 121.28 and 566.17)"
    )
    for name in CSV_FILES:
        rows = read_measured_subnets(data / "ofa_mbv3_w1.0_measured" / f"{name}.csv", space.family)
        matrix = space.to_matrix(rows.subnets)
        n_macs = int(np.sum(macs(matrix) == rows.n_macs))
        n_params = int(np.sum(params(matrix) == rows.n_params))
        print(f"{name}: MACs equal in {n_macs} and parameters in {n_params} of {len(rows)} rows")


if __name__ == "__main__":
    main()
