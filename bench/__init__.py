"""Benchmarks: `make bench`, with nothing else running: ratios against named baselines in the same run, and a planning time."""
