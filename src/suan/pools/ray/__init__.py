"""Ray clusters, by the job server of their dashboard.

Contract: each run is one Ray job under the run's own id, so Ray itself refuses a second one
(``attempts``). What a run does in the cluster is the business of a small program that travels with
it (``job``); nothing is installed there, and suan needs no Ray.

Not for: thousands of short jobs (each costs Ray a Python worker), autoscaling by what suan would
like to have, or jobs of people who submit to Ray themselves; those are only counted.
"""
