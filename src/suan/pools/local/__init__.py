"""The local pool: real processes on this machine.

Contract: ``pool.LocalPool`` starts each run under a small detached runner that outlives the
server, keeps every byte the tasks write, ends the whole process tree, and writes what became of
the run durably. docs/explanation/local-pool.md tells how, file by file.

``forkserver``, ``runner`` and what they import (``records``, ``processes``, ``limits``,
``energy``, ``tasks``) use the standard library alone, so that a runner is small and starts in a
millisecond; they import nothing else of suan.

Not for: keeping one user's job from another's files. Jobs run as the user who runs the server.
"""
