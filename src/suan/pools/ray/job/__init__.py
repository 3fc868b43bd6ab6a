"""The program in each Ray job: standard library and, for gangs and letters, Ray. Python 3.9.

Contract: it travels as a package of the job's runtime environment (``suan.pools.ray.parcel``), runs
one run's tasks, keeps their output in files that Ray's log service serves, and writes two lines
about the run to the job's own log: that it started, and how it ended.

Not for: knowing anything of suan's model; the other end translates.
"""
