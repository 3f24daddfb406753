"""Find a network for a microcontroller, measure it in INT8, and write it for the firmware.

    pip install -e ".[microcontroller]"
    python examples/microcontroller.py --board arduino_nano_33_ble --reserve 64 --folder runs/micro

Searches the packaged supernet within the SRAM and flash memory of the board, less what the
application needs, measures some subnets of the front (accuracy in LiteRT, arena in TFLite Micro),
and exports the most accurate one as `net.tflite` and `net.h`. `optuna-ofa boards` lists the boards.
For your own supernet and images, change `FAMILY` and `load`. Needs a minute and no network.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from torch.utils.data import DataLoader, TensorDataset

import optuna_ofa
from optuna_ofa import AccuracyMeter, EvaluationSettings, Supernet
from optuna_ofa.data import find_board, packaged_images, packaged_supernet
from optuna_ofa.deployment import export, figures_of, read_metadata
from optuna_ofa.fronts import FrontPoint
from optuna_ofa.studies import SubnetStudy
from optuna_ofa.verification import MicroMeter

FAMILY = "microcontroller_fashion"
FORMATS = {"litert_int8": "net.tflite", "c_array": "net.h"}
BATCH_SIZE = 200


def load() -> tuple[Supernet, TensorDataset, TensorDataset]:
    """A trained supernet, training images to calibrate with, and test images."""
    images = packaged_images(FAMILY)
    return packaged_supernet(FAMILY), images.train, images.test


def search(board: str, reserve_kb: int, n_trials: int) -> SubnetStudy:
    """A study of subnets that the board has room for besides the application."""
    limit = find_board(board).sram_kb - reserve_kb
    study = optuna_ofa.study(
        FAMILY,
        board=board,
        constraints={"sram_kb": limit},
        objectives=["top1", "n_macs"],
        study_name="microcontroller",
        seed=0,
    )
    study.search(n_trials)
    return study


def measure(
    study: SubnetStudy,
    supernet: Supernet,
    settings: EvaluationSettings,
    test: TensorDataset,
    points: int,
) -> FrontPoint:
    """The most accurate measured subnet; prints predictions beside measurements."""
    meters = {
        "top1": AccuracyMeter(supernet, DataLoader(test, BATCH_SIZE), settings),
        "sram_kb": MicroMeter("sram_kb", supernet, settings),
        "flash_kb": MicroMeter("flash_kb", supernet, settings),
    }
    print(study.verify(meters, points=points))
    return max(study.front(kind="measured"), key=lambda point: point.values["top1"])


def main() -> None:
    """Search, measure, export."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--board", default="arduino_nano_33_ble")
    parser.add_argument("--reserve", type=int, default=64, help="kB of SRAM for the application")
    parser.add_argument("--trials", type=int, default=1_000)
    parser.add_argument("--points", type=int, default=6, help="subnets that are measured")
    parser.add_argument("--folder", type=Path, default=Path("microcontroller"))
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)

    study = search(arguments.board, arguments.reserve, arguments.trials)
    print(f"{study}: {study.front()}")
    supernet, train, test = load()
    calibration = train.tensors[0]
    settings = EvaluationSettings(calibration=calibration, runtime="litert", precision="int8")
    pick = measure(study, supernet, settings, test, arguments.points)
    study.plot_front().write_html(arguments.folder / "front.html")

    print(f"exported: {pick}")
    for format, name in FORMATS.items():
        path = arguments.folder / name
        export(
            supernet,
            pick.subnet,
            path,
            format=format,
            calibration=calibration,
            figures=figures_of(pick),
        )
        print(f"  {path}: {path.stat().st_size:,} bytes")
    about = read_metadata(arguments.folder / FORMATS["c_array"])
    scale, zero_point = about["input"]["scale"], about["input"]["zero_point"]
    print(f"  arena of {about['arena_bytes']:,} bytes; operators {', '.join(about['operators'])}")
    print(f"  a normalised pixel x is stored as round(x / {scale:.6f}) {zero_point:+d}")


if __name__ == "__main__":
    main()
