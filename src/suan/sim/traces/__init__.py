"""Traces: what people recorded of real workloads, read as jobs for the simulator.

Contract: each format is one file here and one line in ``formats.FORMATS``. A reader streams
``TraceJob`` values in the order of the file and counts in a ``Tally`` every row that it leaves
out or changes, by cause and with line numbers; nothing is left out silently. ``opening`` finds
the format, sees to the order, and moves the first submission to 0.

Not for: deciding what a pool can hold (``suan.sim.study`` asks the scheduler), or results.
"""
