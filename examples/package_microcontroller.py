"""Search the packaged supernet for microcontrollers, measure its front, and package the result.

    python examples/package_microcontroller.py optuna_ofa/data

A search with the packaged accuracy predictor and the predicted arena finds the front. Points spread
along it are exported as INT8 files: LiteRT runs them on the packaged test images, and TensorFlow
Lite Micro's interpreter says how large their arenas are. Prints the table of
`optuna_ofa/data/README.md`. Needs `pip install optuna-ofa[microcontroller]`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader

import optuna_ofa
from optuna_ofa import AccuracyMeter, EvaluationSettings, SearchSpace
from optuna_ofa.data import packaged_images, packaged_supernet
from optuna_ofa.verification import MicroMeter, VerifiedPoint

FAMILY = "microcontroller_fashion"
MEMORIES = ("sram_kb", "flash_kb")
FLASH_KB = 1024
BATCH_SIZE = 200


def as_row(point: VerifiedPoint, top1_float32: float) -> dict[str, Any]:
    """Everything predicted and measured of one point, JSON-ready."""
    space = SearchSpace(point.subnet.family)
    return {
        "subnet": point.subnet.text,
        "genotype": space.to_matrix([point.subnet])[0].tolist(),
        "predicted": rounded({name: point.predicted[name] for name in ("top1", *MEMORIES)}),
        "predicted_std": rounded({"top1": point.predicted_std["top1"]}),
        "measured": rounded({name: point.measured[name] for name in ("top1", *MEMORIES)}),
        "measured_std": rounded({"top1": point.measured_std["top1"]}),
        "top1_float32": round(top1_float32, 3),
    }


def rounded(values: dict[str, float]) -> dict[str, float]:
    """The values with three decimals."""
    return {name: round(float(value), 3) for name, value in values.items()}


def as_line(row: dict[str, Any]) -> str:
    """One line of a Markdown table."""
    predicted, measured = row["predicted"], row["measured"]
    memories = (f"{predicted[name]:.1f} / {measured[name]:.1f}" for name in MEMORIES)
    accuracies = f"{predicted['top1']:.2f} | {row['top1_float32']:.2f} | {measured['top1']:.2f}"
    return f"| {row['genotype'][0]} | {' | '.join(memories)} | {accuracies} |"


def main() -> None:
    """Search, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where to")
    parser.add_argument("--trials", type=int, default=2_000)
    parser.add_argument("--points", type=int, default=12)
    parser.add_argument("--images", type=int, default=2_000)
    arguments = parser.parse_args()
    supernet, images = packaged_supernet(FAMILY), packaged_images(FAMILY)
    loader = DataLoader(images.test, BATCH_SIZE)
    batches = list(loader)[: max(1, arguments.images // BATCH_SIZE)]
    calibration = images.train.tensors[0]

    study = optuna_ofa.study(
        FAMILY, objectives=["top1", "sram_kb"], constraints={"flash_kb": FLASH_KB}, seed=0
    )
    study.search(arguments.trials)
    settings = EvaluationSettings(calibration=calibration, runtime="litert", precision="int8")
    meters = {
        "top1": AccuracyMeter(supernet, batches, settings),
        **{name: MicroMeter(name, supernet, settings) for name in MEMORIES},
    }
    found = study.verify(meters, points=arguments.points)
    float32 = optuna_ofa.evaluate(
        supernet,
        [point.subnet for point in found.points],
        batches,
        EvaluationSettings(calibration=calibration),
    )
    rows = sorted(
        map(as_row, found.points, float32.top1), key=lambda row: row["measured"]["sram_kb"]
    )
    content = {
        "family": FAMILY,
        "n_images": sum(len(labels) for _, labels in batches),
        "measured_by": {name: dict(by) for name, by in found.points[0].measured_by.items()},
        "points": rows,
    }
    path = arguments.folder / f"{FAMILY}.int8.json"
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print("| pixels | SRAM, kB: predicted / measured | flash, kB | predicted | float32 | INT8 |")
    print("|---|---|---|---|---|---|")
    print("\n".join(map(as_line, rows)))
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
