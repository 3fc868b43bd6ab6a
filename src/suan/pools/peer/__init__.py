"""Another owner's suan as a pool.

Contract: what that owner offers (``suan peer offer``) is this pool's capacity, and each run placed
on it is forwarded, becomes a job in his queue, and is mirrored here: its start, its logs, its end,
what it used and its bill. He keeps the last word. Each run becomes one job, at most once: its row
in his store decides (``suan.store.peers``), and ``find`` there ends every earlier launch.

Not for: moving data between the platforms, or trusting the other one with more than is forwarded.
"""
