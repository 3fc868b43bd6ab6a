"""Pools: one folder for each kind, each meeting ``suan.model.pool``.

Contract: ``declared.load_pools`` reads what an operator declared (or discovers this machine), and
``declared.open_pool`` opens one of them. A kind's own code, and any SDK it needs, loads on first
use, through the one table in ``kinds``.

Not for: deciding anything. A pool tells what it has, starts what it is told to start, and says
what became of it.
"""
