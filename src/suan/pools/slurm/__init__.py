"""Slurm clusters, by the command line of a login node or by slurmrestd.

Contract: a small program (``login``) runs on the login node, on this machine or through ssh, for as
long as the pool is open; it speaks Slurm's own commands, or HTTP, and keeps each run's files in a
directory that the nodes share. Each run is one job, started at most once whoever dies
(``login.attempts``).

Not for: changing the cluster, or jobs of people who submit to Slurm themselves; those are only
counted.
"""
