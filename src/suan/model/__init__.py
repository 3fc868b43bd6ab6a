"""The vocabulary: frozen values and the protocols that adapters meet.

Contract: everything here is a plain value (or a protocol) that any layer may import. No I/O, no
clock, no randomness, no third-party import. Times are integer microseconds, processors and
accelerators integer thousandths, memory integer MiB, money integer micro-units of the currency:
nothing in a decision rests on a float.

Not for: behaviour. What decides lives in ``suan.core``; what acts lives in ``suan.control``.
"""
