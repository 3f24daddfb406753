"""The best subnets for two devices from one supernet, on published predictors and tables.

The files are downloaded once, each checked against its SHA-256, or taken from a folder that has
them (``--data``). MobileNetV3 w1.2 with the accuracy predictor of Once-for-All, on the latency
tables of a Samsung Note10 and of an Intel i7-8700K.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import optuna

import optuna_ofa

FAMILY = "ofa_mbv3_w1.2"
ACCURACY = ("ofa_mbv3_w1.2_accuracy", "ofa_mbv3_w1.2_acc_predictor.pth")
DEVICES = {"note10": ("note10_w1.2", 30.0), "i7-8700k": ("i7-8700k_w1.0/i7-8700K_lut.yaml", 20.0)}
N_EVALUATIONS = 20_000


def main() -> None:
    """Search for both devices, then predict the latency of each pick on the other one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with the published files")
    parser.add_argument("--evaluations", type=int, default=N_EVALUATIONS)
    parser.add_argument("--storage", help="URL of a database, such as sqlite:///nas.db")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    studies = {}
    for device, (file, limit_ms) in DEVICES.items():
        study = optuna_ofa.study(
            FAMILY,
            hardware=arguments.data / file if arguments.data else device,
            accuracy=arguments.data / ACCURACY[1] if arguments.data else ACCURACY[0],
            constraints={"latency_ms": limit_ms},
            storage=arguments.storage,
            study_name=device,
            load_if_exists=True,
            seed=0,
        )
        study.search(n_trials=arguments.evaluations)
        studies[device] = study
        print(f"{device}: best under {limit_ms:g} ms\n  {study.front().best(latency_ms=limit_ms)}")

    for device, study in studies.items():
        pick = study.front().best(latency_ms=DEVICES[device][1]).subnet
        for other, there in studies.items():
            row = there.space.to_matrix([pick])
            latency = there.problem.predictors["latency_ms"].predict(row)[0]
            print(f"{device}'s pick on {other}: {latency:.2f} ms (predicted)")


if __name__ == "__main__":
    main()
