"""Train a two-layer network on digits drawn here: 5x7 glyphs, shifted and noisy, on a 9x9 field.

Everything follows from one seed, so every run gives the same model.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

GLYPHS = """
.###. ..#.. .###. ##### ...#. ##### .###. ##### .###. .###.
#...# .##.. #...# ....# ..##. #.... #.... ....# #...# #...#
#..## ..#.. ....# ...#. .#.#. ####. #.... ...#. #...# #...#
#.#.# ..#.. ...#. ..##. #..#. ....# ####. ..#.. .###. .####
##..# ..#.. ..#.. ....# ##### ....# #...# .#... #...# ....#
#...# ..#.. .#... #...# ...#. #...# #...# .#... #...# ....#
.###. .###. ##### .###. ...#. .###. .###. .#... .###. .###.
"""
WANTED = 0.95


def draw(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Images of shape (count, 81) and their digits."""
    rows = [line.split() for line in GLYPHS.split("\n") if line]
    glyphs = np.array(
        [[[char == "#" for char in row[digit]] for row in rows] for digit in range(10)], dtype=float
    )
    digits = rng.integers(0, 10, count)
    images = rng.normal(0.0, 0.25, (count, 9, 9))
    for image, digit in zip(images, digits, strict=True):
        down, right = rng.integers(0, 3), rng.integers(0, 5)
        image[down : down + 7, right : right + 5] += glyphs[digit]
    return images.reshape(count, 81), digits


def forward(model: dict[str, np.ndarray], x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Hidden activations and class probabilities."""
    hidden = np.maximum(x @ model["w1"] + model["b1"], 0)
    scores = hidden @ model["w2"] + model["b2"]
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    return hidden, odds / odds.sum(axis=1, keepdims=True)


def step(model: dict[str, np.ndarray], x: np.ndarray, y: np.ndarray, rate: float) -> float:
    """One step of gradient descent; returns the mean cross-entropy."""
    hidden, odds = forward(model, x)
    loss = float(-np.log(odds[np.arange(len(y)), y] + 1e-12).mean())
    error = odds
    error[np.arange(len(y)), y] -= 1
    error /= len(y)
    back = (error @ model["w2"].T) * (hidden > 0)
    model["w2"] -= rate * hidden.T @ error
    model["b2"] -= rate * error.sum(axis=0)
    model["w1"] -= rate * x.T @ back
    model["b1"] -= rate * back.sum(axis=0)
    return loss


def accuracy(model: dict[str, np.ndarray], x: np.ndarray, y: np.ndarray) -> float:
    return float((forward(model, x)[1].argmax(axis=1) == y).mean())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--model", type=Path, default=Path("results/model.npz"))
    options = parser.parse_args()
    rng = np.random.default_rng(7)
    x, y = draw(12000, rng)
    test_x, test_y = draw(1000, rng)
    model = {
        "w1": rng.normal(0, 0.15, (81, 96)),
        "b1": np.zeros(96),
        "w2": rng.normal(0, 0.15, (96, 10)),
        "b2": np.zeros(10),
    }
    for epoch in range(1, options.epochs + 1):
        order = rng.permutation(len(x))
        losses = [step(model, x[batch], y[batch], 0.1) for batch in np.array_split(order, 200)]
        if epoch % 5 == 0 or epoch == options.epochs:
            print(f"epoch {epoch:3d}  loss {np.mean(losses):.4f}", flush=True)
    reached = accuracy(model, test_x, test_y)
    options.model.parent.mkdir(parents=True, exist_ok=True)
    np.savez(options.model, **model)
    print(f"accuracy {reached:.3f} on 1000 unseen digits; model written to {options.model}")
    return 0 if reached >= WANTED else 1


if __name__ == "__main__":
    sys.exit(main())
