"""The choice of subnets to measure, learnt from measurements, on arrays."""
