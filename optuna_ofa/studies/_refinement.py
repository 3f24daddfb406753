"""The result of a refinement: a measured front, and predictors that agree with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from optuna_ofa.fronts import Front, reference_words, unit
from optuna_ofa.predictors import PredictionErrors, Predictor
from optuna_ofa.problem import Metric, significant
from optuna_ofa.space import Subnet

Ending = Literal["budget spent", "front no longer grows", "no subnet left", "time over", "stopped"]


@dataclass(frozen=True)
class Round:
    """One round: subnets that were chosen by the same predictions.

    Args:
        n_before: Measurements of the study when its subnets were chosen; 3 or more corrected the
            predictions.
        n_measured: Measurements of the study after the round.
        hypervolume: Hypervolume of the measured front then.
        errors: The errors of the predictions on the subnets of the round, which they were not
            corrected with, by metric.
    """

    n_before: int
    n_measured: int
    hypervolume: float
    errors: Mapping[str, PredictionErrors]


@dataclass(frozen=True)
class Refinement:
    """A measured front and corrected predictors; made by `SubnetStudy.refine`.

    Args:
        front: The front of all measured subnets of the study; empty where none satisfies the
            constraints.
        predicted: The front that the corrected predictors predict, measured subnets included. Its
            points are predictions without a trial and say with how many measurements they were
            corrected.
        predictors: The corrected predictor of each metric that was measured.
        rounds: The rounds of all calls so far.
        reference: The reference point of the hypervolumes.
        ending: Why no more was measured.
        failures: Why a subnet could not be measured by this call.
        units: The objectives by name, with their units and directions.
    """

    front: Front
    predicted: Front
    predictors: Mapping[str, Predictor]
    rounds: tuple[Round, ...]
    reference: Mapping[str, float]
    ending: Ending
    failures: Mapping[Subnet, str] = field(default_factory=dict)
    units: Mapping[str, Metric] = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        n, rounds = self.rounds[-1].n_measured if self.rounds else "no", len(self.rounds)
        objectives = {name: self.units[name] for name in self.front.objectives}
        lines = [f"{n} subnets measured in {rounds} rounds: {self.ending}", *self._rows()]
        lines += [
            f"hypervolume in {unit(objectives)}, beyond "
            f"{reference_words(self.reference, objectives)}; mean errors are measured minus "
            f"predicted, by predictors that were corrected with the measurements before the round",
            f"{self.front!r}; {self.predicted!r}",
        ]
        return "\n".join(lines)

    def _rows(self) -> Iterator[str]:
        metrics = list(self.predictors)
        yield "before  measured  hypervolume" + "".join(f"  {m} mean error" for m in metrics)
        for of in self.rounds:
            errors = "".join(
                f"  {significant(of.errors[m].mean_error, sign='+'):>{len(m) + 11}}"
                for m in metrics
                if m in of.errors
            )
            volume = significant(of.hypervolume)
            yield f"{of.n_before:6}{of.n_measured:10}{volume:>13}{errors}"
