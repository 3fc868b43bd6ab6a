"""What two platforms say to each other: the protocol between peers, for both of its ends.

Contract: ``protocol`` has the values that travel and the version they are of; ``signing`` signs a
request and checks a signature; ``summary`` tells what an offer comes to now, and ``mirror`` what
became of a forwarded run. All of it is pure: no I/O, no clock, no randomness.

Not for: sending (``suan.pools.peer``), answering (``suan.api``), or keeping (``suan.store``).
"""
