"""The simulator: trace readers, event heap, simulated pools, reports."""
