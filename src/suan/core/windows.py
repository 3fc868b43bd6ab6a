"""Classes of durations: jobs that need about as long are kept together, so that the first that
ends in time is found without asking each."""

from suan.model.units import Duration

_STEPS = 3  # bits after the leading one: eight classes for each doubling


def window_class(window: Duration) -> int:
    """Which class a duration (µs, at least 0) is of; longer durations are of no lower class."""
    bits = window.bit_length()
    if bits <= _STEPS:
        return window
    return (bits << _STEPS) + (window >> (bits - 1 - _STEPS)) - (1 << _STEPS)
