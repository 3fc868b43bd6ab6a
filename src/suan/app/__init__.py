"""The composition root: the only place where concrete classes meet.

``main`` is the ``suan`` command; ``serve`` opens a store and the pools, starts the live loop over
them and serves the API; ``replay`` runs a store's journal through the scheduler again.

Not for: logic. Whatever could be tested without starting everything belongs further down.
"""
