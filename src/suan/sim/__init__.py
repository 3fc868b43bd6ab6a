"""The simulator: a trace of jobs, some pools, and the real scheduler over a heap of events.

Contract: the scheduler is ``suan.core.Scheduler``, the one that the live loop calls, told the same
events; nothing in it knows that the pools are simulated. The same trace, pools, policy and seed
give the same results, to the microsecond. Memory follows the jobs in the system, not the trace,
but for a bounded number of jobs that are kept so as not to be read again.

Where to read: ``traces`` turns files into jobs, one reader a format in one table; ``pools`` turns
declarations into nodes; ``engine`` is the loop; ``study`` runs several policies over one trace;
``results`` and ``report`` say what came of it.

Not for: deciding (``suan.core`` does), or talking to any real pool.
"""
