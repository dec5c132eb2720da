"""Exact learning curves: when a deep linear network learns each feature, without training it.

    python examples/theory_learning_curves.py

Prints the predicted strength of three modes over time for one to six layers, and
checks the two-layer column against a network trained by the library's own SGD.
"""

import numpy as np

from minirmae.optimizers import SGD
from minirmae.theory.lab.modes import Modes
from minirmae.theory.lab.simulation import train_modes
from minirmae.theory.t02_deep_modes import deep_half_time, deep_modes

SIGMA, START = np.array([4.0, 2.0, 1.0]), 1e-3

if __name__ == "__main__":
    print("half times of modes with strengths 4, 2, 1 (each starts at 0.001)")
    for depth in (2, 3, 4, 6):
        times = deep_half_time(START, SIGMA, depth=depth)
        print(f"  {depth} layers: " + "  ".join(f"{t:8.3f}" for t in times) + f"   ratio {times[2] / times[0]:.2f}")

    rng, rate = np.random.default_rng(0), 1e-3
    modes = Modes(np.eye(5, 3), SIGMA, np.eye(6, 3), np.ones(3))
    run = train_modes(modes, np.full((2, 3), np.sqrt(START)), [8], SGD(rate), 5000, rng, every=500)
    predicted = deep_modes(rate * run.path.times, START, SIGMA, depth=2)
    print("\ntwo layers, trained by SGD (rate 0.001), against the closed form")
    for step, measured, exact in zip(run.path.times, run.strengths, predicted, strict=True):
        cells = "  ".join(f"{m:.3f}/{e:.3f}" for m, e in zip(measured, exact, strict=True))
        print(f"  step {int(step):5}: {cells}")
    print(f"largest difference {abs(run.strengths - predicted).max():.1e}: first order in the rate")
