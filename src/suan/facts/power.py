"""Power of devices that have no meter: constants of published models, with their sources."""

CPU_THREAD_MW = 4000
CPU_THREAD_SOURCE = "codecarbon: 4 W a thread where the processor's model is unknown"

CPU_FLOOR_PERCENT = 10
CPU_FLOOR_SOURCE = "codecarbon: a processor's load counts as at least 10 %"

ACCELERATOR_SOURCE = "Cloud Carbon Footprint: least + utilisation x (greatest - least)"
