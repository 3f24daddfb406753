"""Pictures: for each one a step that collects what is shown, and one that draws it."""

from optuna_ofa.visualization._pareto_front import FrontInfo, front_info, plot_front

__all__ = ["FrontInfo", "front_info", "plot_front"]
