"""When each mode of a linear autoencoder is learned, under any of the library's optimisers.

The data have variances lam in some basis; all layers start as the same multiple of
the identity. Descent reaches half of mode i at a time proportional to 1/lam_i. Adam
divides each coordinate's gradient by its size: in the data's own basis that cancels
lam_i, and every mode takes the same path; in any other basis coordinates mix modes.
"""

from __future__ import annotations

import numpy as np

from minirmae.arrays import Array
from minirmae.optimizers import Optimizer
from minirmae.theory.lab.dynamics import train
from minirmae.theory.lab.modes import mode_strengths
from minirmae.theory.lab.networks import factors_of, linear_network, product, regression
from minirmae.validation import require_ndim, require_positive_int, require_shape

START = 0.05
"""Initial strength of the product; the same at every depth, so that all depths take similar times."""


def half_steps(lam: Array, basis: Array, depth: int, optimizer: Optimizer, steps: int) -> Array:
    """Train an autoencoder of `depth` layers, and return the step at which each mode reaches 1/2, (r,).

    Args:
        lam: variances, (r,), positive.
        basis: V (r, r), orthonormal: the covariance is V diag(lam) V^T; the identity aligns data and coordinates.
        depth: N, the number of layers, r by r each.
        steps: length of the run.

    Steps are interpolated linearly; infinite for a mode that is not learned in time.

    Raises ValueError if shapes do not fit, a variance is not positive, or a number is not a positive integer.
    """
    where = "half_steps"
    require_positive_int(where, depth=depth, steps=steps)
    require_ndim(where, "lam", lam, 1, "(modes,)")
    require_shape(where, "basis", basis, (len(lam), len(lam)))
    if not (lam > 0).all():
        raise ValueError(f"{where}: variances must be positive, got {lam.min():g}: such a mode is never learned")
    # One sample for each mode: the covariance is exact, and without rounding if the basis is the identity.
    x = np.sqrt(len(lam) * lam)[:, None] * basis.T
    model = linear_network([START ** (1 / depth) * np.eye(len(lam))] * depth)
    path = train(model, regression(x), x, optimizer, steps)
    strengths = mode_strengths(basis, product(factors_of(model, path.values)), basis)
    return np.array([_crossing(curve) for curve in strengths.T])


def _crossing(curve: Array) -> float:
    """The first place where a curve of steps 0, 1, ... reaches 1/2, between steps."""
    above = np.flatnonzero(curve >= 0.5)
    if not above.size:
        return float("inf")
    k = int(above[0])
    return k - float((curve[k] - 0.5) / (curve[k] - curve[k - 1])) if k else 0.0
