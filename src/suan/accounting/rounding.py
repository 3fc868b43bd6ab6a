"""One way to round, so that the same run gets the same bill on every machine."""


def divided(amount: int, by: int) -> int:
    """``amount / by`` to the nearest integer, halves up. Both are not negative."""
    return (2 * amount + by) // (2 * by)
