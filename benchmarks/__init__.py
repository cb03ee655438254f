"""What parts of the package cost: run by tools/benchmark.py, and not installed."""
