"""The summary of the sweep: every point by its loss, and the best one in a file of its own."""

import json
import sys
from pathlib import Path


def main() -> int:
    results = Path("results")
    points = [json.loads(path.read_text()) for path in sorted(results.glob("rate-*.json"))]
    if not points:
        print("no results were found", file=sys.stderr)
        return 1
    points.sort(key=lambda point: point["loss"])
    for point in points:
        print(f"rate {point['rate']:>5}  momentum {point['momentum']:>4}  loss {point['loss']:.6f}")
    best = points[0]
    (results / "best.json").write_text(json.dumps(best))
    print(f"best of {len(points)}: rate {best['rate']}, momentum {best['momentum']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
