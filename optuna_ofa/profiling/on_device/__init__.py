"""What runs on the device that is measured: a runtime, numpy, and nothing else.

This folder is copied beside the graphs that `optuna_ofa.profiling.export` writes, so it imports
nothing of `optuna_ofa`, and its modules import each other by relative names only.
"""
