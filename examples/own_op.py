"""Write an op with its backward, check it, break it, and see the check notice.

The op is group-wise normalisation, `y = (x - mean) / sqrt(variance + eps)` over
the last axis: small, but with a backward that is easy to get wrong.

    python examples/own_op.py
"""

import numpy as np

from minirmae.gradcheck import check


def normalize(x, eps=1e-5):
    """Normalise every row of x (N, n) to mean 0 and variance 1.

    With z = x - mean and r = 1 / sqrt(mean z^2 + eps), y = r z. Then

        dz = r dy - r^3 z mean(z dy),   dx = dz - mean(dz),

    because r depends on every entry of the row, and so does the mean.
    """
    z = x - x.mean(axis=-1, keepdims=True)
    r = 1 / np.sqrt((z * z).mean(axis=-1, keepdims=True) + eps)

    def backward(dy):
        dz = r * dy - r**3 * z * (z * dy).mean(axis=-1, keepdims=True)
        return dz - dz.mean(axis=-1, keepdims=True)

    return r * z, backward


def forgetful(x):
    """The same op with the classic mistake: r taken for a constant."""
    y, _ = normalize(x)
    z = x - x.mean(axis=-1, keepdims=True)
    r = 1 / np.sqrt((z * z).mean(axis=-1, keepdims=True) + 1e-5)
    return y, lambda dy: r * (dy - dy.mean(axis=-1, keepdims=True))


if __name__ == "__main__":
    x = np.random.default_rng(0).normal(size=(3, 5))
    print(check(normalize, x))
    print()
    print(check(forgetful, x))
