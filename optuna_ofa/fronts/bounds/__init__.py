"""Proven bounds of fronts, for predictions that are sums over genes and layers."""

from optuna_ofa.fronts.bounds._bound import FrontBound as FrontBound
from optuna_ofa.fronts.bounds._find import find_bound as find_bound
