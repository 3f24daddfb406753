"""Subnets in external formats: ``net.config``, one-hot encodings, published tables."""
