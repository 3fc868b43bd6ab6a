"""One point of the sweep: fit a line by stochastic gradient descent, and write the error."""

import json
import os
import random
from pathlib import Path

TRUE_SLOPE, TRUE_OFFSET = 3.0, -1.0


def fit(rate: float, momentum: float, *, steps: int = 300) -> float:
    """The squared error of slope and offset after ``steps`` steps."""
    rng = random.Random(11)
    slope = offset = slope_speed = offset_speed = 0.0
    for _ in range(steps):
        x = rng.uniform(-1, 1)
        y = TRUE_SLOPE * x + TRUE_OFFSET + rng.gauss(0, 0.1)
        error = slope * x + offset - y
        slope_speed = momentum * slope_speed - rate * error * x
        offset_speed = momentum * offset_speed - rate * error
        slope, offset = slope + slope_speed, offset + offset_speed
    return (slope - TRUE_SLOPE) ** 2 + (offset - TRUE_OFFSET) ** 2


def main() -> None:
    rate, momentum = os.environ["RATE"], os.environ["MOMENTUM"]
    loss = fit(float(rate), float(momentum))
    results = Path("results")
    results.mkdir(exist_ok=True)
    point = {"rate": rate, "momentum": momentum, "loss": loss}
    (results / f"rate-{rate}-momentum-{momentum}.json").write_text(json.dumps(point))
    print(f"rate {rate:>5}  momentum {momentum:>4}  loss {loss:.6f}")


if __name__ == "__main__":
    main()
