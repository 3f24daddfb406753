"""How a study is kept: Optuna's tables written and read in bulk, or its public calls."""
