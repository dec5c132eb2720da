"""The greedy staircase: from a small start a linear network learns one rank at a time.

    python examples/theory_greedy_staircase.py

Trains a two-layer network from starts of shrinking scale and prints, at each
step, how far the product matrix is from the best matrix of every rank: it rests
at one after the other, the longer the smaller the start.
"""

import numpy as np

from minirmae.optimizers import SGD
from minirmae.theory.lab.initial import orthonormal_columns
from minirmae.theory.lab.modes import Modes
from minirmae.theory.lab.networks import product
from minirmae.theory.lab.simulation import train_modes
from minirmae.theory.t04_greedy import plateaus


def nearest_rank(W, targets):
    """Rank of the reduced-rank regression closest to W, and the distance relative to the full solution."""
    distances = [np.linalg.norm(W - target) for target in targets]
    return int(np.argmin(distances)), min(distances) / np.linalg.norm(targets[-1])


if __name__ == "__main__":
    rng, rate = np.random.default_rng(0), 0.02
    sigma = np.array([8.0, 4.0, 2.0, 1.0])
    modes = Modes(orthonormal_columns(rng, 5, 4), sigma, orthonormal_columns(rng, 6, 4), np.ones(4))
    targets = plateaus(modes)
    for scale in (1e-3, 1e-6, 1e-12):
        start = np.full((2, len(modes.sigma)), np.sqrt(scale))
        run = train_modes(modes, start, [6], SGD(rate), 1600, rng, every=2)
        visited = {}
        for step, factors in zip(run.path.times, zip(*run.factors, strict=True), strict=True):
            rank, distance = nearest_rank(product(factors), targets)
            if distance < 0.02:
                visited.setdefault(rank, []).append(int(step))
        print(f"start {scale:g}: steps spent within 2 % of the best matrix of each rank")
        for rank, steps in sorted(visited.items()):
            print(f"  rank {rank}: steps {steps[0]:5} to {steps[-1]:5}")
