"""The jobs: each reads, anti-joins what is done, transforms and writes one table. See jobs/launch.py for how they
start.
"""
