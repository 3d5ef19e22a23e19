"""Benchmarks: one module per hot path, and `machine` for the limits of the machine itself."""
