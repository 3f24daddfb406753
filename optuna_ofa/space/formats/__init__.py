"""Subnets in the formats of others: ``net.config``, one-hot encodings, published tables."""
