"""A Gaussian process over genotypes."""
