"""NSGA-II on arrays, without Optuna."""
