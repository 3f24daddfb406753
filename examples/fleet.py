"""One supernet for three devices: a joint search, and what each subnet loses on the others.

MobileNetV3 w1.2, for which three tables have latencies at the same resolutions: a Samsung Note10,
an Intel i7-8700K, and a CPU with ONNX Runtime, whose table is packaged. The published
files are downloaded once, each checked against its SHA-256, or taken from a folder that has them
(``--data``). With that folder, the networks that ProxylessNAS found for a CPU, a GPU and a phone
are also listed; no published table has all of their layers, so their latencies cannot be predicted.

With ``--storage``, another run continues where the last one stopped.
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Sequence
from pathlib import Path

import optuna

import optuna_ofa
from optuna_ofa import LatencyTable
from optuna_ofa.costs import layer_macs
from optuna_ofa.exceptions import MissingEntryError
from optuna_ofa.space import Layer, layers_from_net_config
from optuna_ofa.visualization import plot_transfer

FAMILY = "ofa_mbv3_w1.2"
ACCURACY = ("ofa_mbv3_w1.2_accuracy", "ofa_mbv3_w1.2_acc_predictor.pth")
# the name of a published or packaged table, its path in a folder, and a limit in milliseconds
DEVICES = {
    "Note10": ("note10", "note10_w1.2", 30.0),
    "i7-8700K": ("i7-8700k", "i7-8700k_w1.0/i7-8700K_lut.yaml", 16.0),
    "cpu-onnxruntime": ("cpu-onnxruntime", None, 9.0),
}
N_EVALUATIONS = 2_000
PROXYLESS = ("cpu", "gpu", "mobile")
RESOLUTION = 224


def show_proxyless(data: Path) -> None:
    """Print the cost of the networks of ProxylessNAS, and how many layers each table has."""
    print("\nFound by ProxylessNAS for three devices:")
    paths = {"mobile_trim": data / "proxylessnas" / "mobile_trim.yaml"}
    paths |= {device: data / path for device, (_, path, _) in DEVICES.items() if path}
    tables = {name: LatencyTable.load(path) for name, path in paths.items()}
    for name in PROXYLESS:
        config = data / "proxylessnas" / f"proxyless_{name}.config"
        layers = layers_from_net_config(config, RESOLUTION)
        n_priced = {device: count_priced(table, layers) for device, table in tables.items()}
        words = ", ".join(f"{n} in {device}" for device, n in n_priced.items())
        macs = sum(map(layer_macs, layers)) / 1e6
        print(f"  {name}: {macs:.0f} M multiply-adds, {len(layers)} layers, of which {words}")


def count_priced(table: LatencyTable, layers: Sequence[Layer]) -> int:
    """How many layers a table has."""
    n = 0
    for layer in layers:
        with contextlib.suppress(MissingEntryError):
            table.layer(layer, RESOLUTION)
            n += 1
    return n


def main() -> None:
    """Search, print the transfer matrix, draw."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, help="folder with the published files")
    parser.add_argument("--evaluations", type=int, default=N_EVALUATIONS, help="for each device")
    parser.add_argument("--storage", help="URL of a database, such as sqlite:///nas.db")
    parser.add_argument("--folder", type=Path, default=Path("fleet"), help="folder for the figures")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    data = arguments.data
    fleet = optuna_ofa.fleet(
        FAMILY,
        hardware={
            device: data / path if data and path else name
            for device, (name, path, _) in DEVICES.items()
        },
        accuracy=data / ACCURACY[1] if data else ACCURACY[0],
        storage=arguments.storage,
        study_name="three",
        load_if_exists=True,
        seed=0,
    )
    fleet.search(until=arguments.evaluations)

    for device, front in fleet.fronts(kind="predicted").items():
        print(f"{device}: {len(front)} subnets on the front, the knee is {front.knee()}")
    limits = {device: limit for device, (_, _, limit) in DEVICES.items()}
    matrix = fleet.transfer_matrix(latency_ms=limits)
    print(f"\n{matrix}")
    if data is not None:  # their files cannot be fetched by name
        show_proxyless(data)

    arguments.folder.mkdir(parents=True, exist_ok=True)
    fleet.plot_fronts(kind="predicted").write_html(arguments.folder / "fronts.html")
    plot_transfer(matrix).write_html(arguments.folder / "transfer.html")
    print(f"\nFigures are in {arguments.folder}.")


if __name__ == "__main__":
    main()
