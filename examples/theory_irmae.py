"""IRMAE exactly solved: the rank of a deep linear autoencoder as a function of time and depth.

    python examples/theory_irmae.py

Prints how many modes are learned at each time, for l = 0, 2, 4 extra linear
layers, and what depth changes and does not: the times keep their ratios, the
rises get sharper, and everything comes later.
"""

import numpy as np

from minirmae.theory.t13_linear_autoencoder import autoencoder_rank, autoencoder_times

VARIANCES, LAYER_START = 2.0 ** -np.arange(8), 0.1

if __name__ == "__main__":
    print("modes with variances " + ", ".join(f"{v:g}" for v in VARIANCES) + "; every layer starts at 0.1")
    for extra in (0, 2, 4):
        s0 = LAYER_START ** (extra + 2)
        ten, half, ninety = (autoencoder_times(s0, VARIANCES, extra, level) for level in (0.1, 0.5, 0.9))
        first = half[0]
        ranks = autoencoder_rank(first * np.array([0.9, 1.1, 2.2, 4.4, 8.8, 17.6]), s0, VARIANCES, extra)
        print(f"\nl = {extra}")
        print(f"  the first mode is half learned at time {first:.2f}; (t90 - t10) / t50 = "
              f"{(ninety[0] - ten[0]) / half[0]:.4f}")  # fmt: skip
        print(f"  half times over the first: {np.round(half / first, 6)[:5]} ... (1 / variance, at every depth)")
        print(f"  rank at 0.9, 1.1, 2.2, 4.4, 8.8, 17.6 times that: {ranks}")
