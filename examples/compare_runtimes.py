"""The best subnets for five runtimes, from the packaged tables.

Each table counts as a separate device: what is fast on one is slow on another (that of LiteRT is
also of a newer processor). The latency of every pick is also predicted on the other tables, beside
the best subnet of each runtime's own front at that latency.
"""

from __future__ import annotations

import argparse

import numpy as np
import optuna

import optuna_ofa
from optuna_ofa import LatencyPredictor, LatencyTable, Subnet, get_family
from optuna_ofa.data import packaged_table, table_names

FAMILY = get_family("ofa_mbv3_w1.0")
SHARE = 0.3  # of the way from the smallest to the largest subnet, in orders of magnitude
N_EVALUATIONS = 10_000


def describe(subnet: Subnet) -> str:
    """Kernels, expand ratios and blocks in a few words."""
    kernels = [k for k in subnet.kernel if k]
    share = {k: kernels.count(k) / len(kernels) for k in (3, 5, 7)}
    expand = np.mean([e for e in subnet.expand if e])
    return (
        f"{len(kernels)} blocks, kernels 3/5/7: {share[3]:.0%} {share[5]:.0%} {share[7]:.0%}, "
        f"mean expand ratio {expand:.2f}"
    )


def main() -> None:
    """Search on every table, then predict each pick's latency on all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--evaluations", type=int, default=N_EVALUATIONS)
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    fronts, predictors, limits = {}, {}, {}
    for name in table_names(FAMILY):
        path = packaged_table(name, FAMILY)
        assert path is not None
        study = optuna_ofa.study(FAMILY, hardware=path, seed=0)
        study.search(n_trials=arguments.evaluations)
        space = study.space
        predictors[name] = LatencyPredictor(table=LatencyTable.load(path), space=space)
        ends = predictors[name].predict(space.to_matrix([space.smallest(), space.largest()]))
        fronts[name], limits[name] = study.front(), ends[0] * (ends[1] / ends[0]) ** SHARE

    for name, front in fronts.items():
        pick = front.best(latency_ms=limits[name])
        print(
            f"\n{name}: best under {limits[name]:.1f} ms is {pick.values['top1']:.2f} % "
            f"(predicted)\n  {describe(pick.subnet)}"
        )
        for other, predictor in predictors.items():
            if other != name:
                ms = predictor.predict(predictor.space.to_matrix([pick.subnet]))[0]
                own = fronts[other].best(latency_ms=ms).values["top1"]
                lost = own - pick.values["top1"]
                print(f"  on {other}: {ms:.1f} ms, where its own front has {lost:+.2f} points")


if __name__ == "__main__":
    main()
