"""Accounting: from what a run reserved and used to device-hours, money, energy and carbon.

Contract: pure functions of their arguments and of the tables in ``suan.facts``; integers in,
integers out, each division rounded half up once, and every assumption named in the bill's notes.
``bill`` makes the bill of one run; ``Bill.plus`` sums those of a job.

The seam of the full accounting is here: storage, network transfer, embodied carbon (SCI,
ISO/IEC 21031:2024), price and carbon series over the time of a run, and showing market-based
figures beside the location-based ones all join as further modules whose sums ``bill`` adds up.

Not for: deciding where a job goes (``suan.core`` scores pools before a run), or what a pool
measured (pools report ``Usage``).
"""

from suan.accounting.billing import bill

__all__ = ["bill"]
