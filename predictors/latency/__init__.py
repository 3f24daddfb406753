"""Predictors of latency: tables of layers, and models of whole networks."""
