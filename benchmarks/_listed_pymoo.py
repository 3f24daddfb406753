"""pymoo's NSGA-II on listed networks, with its operators for integers and its defaults."""

from __future__ import annotations

import numpy as np
from _listed_runs import Tape
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.problem import Problem
from pymoo.core.termination import NoTermination
from pymoo.operators.crossover.sbx import SBX
from pymoo.operators.mutation.pm import PM
from pymoo.operators.repair.rounding import RoundingRepair
from pymoo.operators.sampling.rnd import IntegerRandomSampling


def search(tape: Tape, seed: int) -> None:
    """Search until the tape has enough."""
    largest = np.array([len(values) - 1 for values in tape.listed.choices.values()])
    problem = Problem(n_var=len(largest), n_obj=2, xl=0, xu=largest, vtype=int)
    algorithm = NSGA2(
        sampling=IntegerRandomSampling(),
        crossover=SBX(prob=1.0, eta=3.0, vtype=float, repair=RoundingRepair()),
        mutation=PM(prob=1.0, eta=3.0, vtype=float, repair=RoundingRepair()),
    )
    algorithm.setup(problem, termination=NoTermination(), seed=seed)
    signs = tape.listed.signs
    while True:
        infills = algorithm.ask()
        for one in infills:
            place = tape.nearest(one.X.astype(int))
            one.X = tape.listed.matrix[place].astype(one.X.dtype)
            one.F = np.array(tape.measure(place)) * signs
            one.evaluated.update(("F", "G", "H"))
        algorithm.tell(infills=infills)
