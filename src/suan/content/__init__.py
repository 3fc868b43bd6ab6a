"""Content: files and folders by the hash of what is in them.

Contract: a folder is a ``manifest``, which lists its files by the SHA-256 of their bytes, so that
an edit of one file sends one file; a manifest is bytes too, and has a digest of its own. A
``cache`` is a directory of bytes by digest: it fills piece by piece, goes on where it broke off,
and never has a digest whose bytes are others.

``manifest`` and ``cache`` use the standard library alone, as far as Python 3.6 has it: they also
run on login nodes of clusters, where nothing else of suan is.

Not for: moving bytes between machines (``client``, ``pools``), or saying what a job needs.
"""
