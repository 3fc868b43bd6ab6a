"""Reference facts: sites, grid factors, accelerators, devices, frameworks, power.

Contract: each module is a small typed view of one table in ``tables/``. The source of every figure
stands beside it, an unknown figure is ``None``, and an assumption says that it is one. A table is
read on first use and then kept; importing a module here reads nothing and costs next to nothing.

Not for: what is true of one installation (prices, a metered PUE, the pools there are). That is
configuration and overrides what stands here.
"""
