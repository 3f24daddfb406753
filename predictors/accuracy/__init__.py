"""Predictors of accuracy."""
