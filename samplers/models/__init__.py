"""What to measure next, learnt from what was measured, on arrays."""
