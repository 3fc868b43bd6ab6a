"""Kubernetes clusters, 1.30 or newer, by the API server alone.

Contract: each run is one Indexed Job, made at most once whoever dies (``attempts``), on the nodes
that the scheduler chose; a gang starts whole or not at all (``gangs``). Capacity and runs are
mirrored by list and watch (``mirror``). In each pod a keeper (``keeper.sh``) runs the task.
docs/explanation/kubernetes-pool.md tells how.

Not for: changing the cluster, or the pods of others; those are only counted.
"""
