"""What docs/make_performance.py says of the numbers of a benchmark, beside its tables."""
