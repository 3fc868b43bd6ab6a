"""The program on the login node: standard library alone, Python 3.6 or newer.

Contract: it is sent there by ``suan.pools.slurm.shipping``, reads one request a line and answers
each with one line, in any order; it holds no state that is not in the run directories or in Slurm,
so it may die at any moment.

Not for: knowing anything of suan's model; the other end translates.
"""
