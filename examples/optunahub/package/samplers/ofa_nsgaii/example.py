"""Search a supernet with an objective of your own."""

import optuna
import optunahub


module = optunahub.load_module("samplers/ofa_nsgaii")
space = module.SearchSpace("ofa_mbv3_w1.0", resolution=224)


def objective(trial: optuna.Trial) -> tuple[float, float]:
    """Blocks and the sum of their kernels; replace with accuracy and latency of the subnet."""
    subnet = space.suggest(trial)
    return sum(subnet.stage_depths), sum(subnet.kernel)


study = optuna.create_study(
    directions=["maximize", "minimize"], sampler=module.EvolutionarySampler(space, seed=0)
)
study.optimize(objective, n_trials=100)
print(len(study.best_trials), "trials on the front")
