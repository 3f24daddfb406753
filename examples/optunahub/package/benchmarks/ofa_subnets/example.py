"""Optuna's own NSGA-II on the problem."""

import optuna
import optunahub


problem = optunahub.load_module("benchmarks/ofa_subnets").Problem()
study = optuna.create_study(
    directions=problem.directions, sampler=optuna.samplers.NSGAIISampler(seed=0)
)
study.set_metric_names(problem.metric_names)
study.optimize(problem, n_trials=200)
print(len(study.best_trials), "trials on the front")
