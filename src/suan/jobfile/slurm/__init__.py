"""Slurm batch scripts, as they are: ``#SBATCH`` lines become a ``JobSpec`` that runs the script.

One job runs on ``--nodes`` nodes. On one node (the default) the script runs once, as in Slurm; on
several it runs once on each, and ``srun`` there starts that node's share of the tasks.
"""
