"""Measured subnets of ImageNet as the only ones that can be measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import optuna
from _fronts import Matrix, Values

from optuna_ofa import SearchSpace
from optuna_ofa.predictors import CostPredictor
from optuna_ofa.predictors._rows import measured_rows
from optuna_ofa.samplers import SurrogateSampler
from optuna_ofa.space import read_measured_subnets

FOLDER, LOG = "ofa_mbv3_w1.0_measured", "mbnv3w10_evonsga2_acc_macs.csv"
_MILLION = 1e6


class Pool:
    """Every subnet that DyNAS-T has measured, with its mean top1 and its multiply-adds.

    Args:
        data: Folder of the published files.

    Attributes:
        matrix: ``(n, n_genes)`` the subnets.
        values: ``(n, 2)`` top1 in percent and millions of multiply-adds.
        log: Places of those that DyNAS-T's NSGA-II measured, in its order.
        reference: The worst of each, where hypervolumes begin.
    """

    def __init__(self, data: Path) -> None:
        self.space = SearchSpace("ofa_mbv3_w1.0", resolution=224)
        files = sorted((data / FOLDER).glob("*.csv"))
        tables = {file.name: read_measured_subnets(file, self.space.family) for file in files}
        matrices = {name: self.space.to_matrix(table.subnets) for name, table in tables.items()}
        top1 = np.concatenate([table.top1 for table in tables.values()])
        rows = measured_rows(self.space, np.concatenate(list(matrices.values())), top1)
        macs = CostPredictor("n_macs", self.space).predict(rows.matrix) / _MILLION
        self.matrix: Matrix = rows.matrix
        self.values: Values = np.stack([rows.top1, macs], axis=1)
        self._places = {row.tobytes(): i for i, row in enumerate(self.matrix)}
        self.log = [self._places[row.tobytes()] for row in matrices[LOG]]
        self.reference = (float(rows.top1.min()), float(macs.max()))

    def search(self, n: int, seed: int) -> list[int]:
        """Places of what `SurrogateSampler` measures, in its order."""
        sampler = SurrogateSampler(self.space, pool=self.matrix, seed=seed)
        study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
        measured: list[int] = []

        def objective(trial: optuna.Trial) -> tuple[float, ...]:
            (row,) = self.space.to_matrix([self.space.suggest(trial)])
            measured.append(self._places[row.tobytes()])
            return tuple(self.values[measured[-1]].tolist())

        study.optimize(objective, n_trials=n)
        return measured
