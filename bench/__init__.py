"""Benchmarks: `make bench`, with nothing else running. Each is a ratio against a named baseline in the same run."""
