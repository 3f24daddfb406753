"""The search for Pareto fronts."""
