"""Finding out what this machine has: processors, memory, accelerators.

Contract: ``machine.discover`` never fails. What cannot be found out becomes a note that travels
with the pool's terms. Accelerators are asked of each vendor's own tool (``tools``), whose output
``parsers`` reads.
"""
