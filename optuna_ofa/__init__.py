"""Hardware-aware architecture search over Once-for-All supernets, as an Optuna plugin."""
