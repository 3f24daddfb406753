"""NSGA-II and ascents on arrays, without Optuna."""
