"""The curvature of the loss of a linear network at a minimum: in closed form, and from the library's gradient.

At a minimum the Hessian is J^T J, J the derivative of `W Sxx^(1/2)` by the layers. Where
the layers are aligned and balanced, the direction u_r v_r'^T of W is reached from layer j
with the factor `s_r^((N-j)/N) s_r'^((j-1)/N)`, and from nowhere else, so that J J^T is diagonal in them:

    h_rr' = lam_r' sum_j s_r^(2(N-j)/N) s_r'^(2(j-1)/N).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from minirmae.arrays import Array
from minirmae.layers import Layer
from minirmae.objectives import Objective
from minirmae.validation import require_int


def hessian_eigenvalues(s: ArrayLike, depth: int, lam: ArrayLike = 1.0) -> Array:
    """Return the eigenvalues of the loss at a balanced minimum, (r, r): row the output mode, column the input mode.

    Args:
        s: strengths of the product, (r,), at least 0; outputs or inputs without a mode count as s = 0.
        depth: N, at least 1.
        lam: variances of the input modes, (r,) or a number, at least 0.

    If outputs and inputs differ in number, the block (outputs, inputs) applies. The
    Hessian's other eigenvalues are 0. Raises ValueError, naming the hypothesis, if an argument is outside it.

    >>> hessian_eigenvalues([2.0, 1.0], depth=2)
    array([[4., 3.],
           [3., 2.]])
    """
    require_int("hessian_eigenvalues", "depth", depth, 1)
    strengths, variances = np.broadcast_arrays(np.atleast_1d(np.asarray(s, dtype=float)), np.asarray(lam, dtype=float))
    if not ((strengths >= 0).all() and (variances >= 0).all()):
        raise ValueError("hessian_eigenvalues: s are singular values of W and lam variances, all at least 0")
    before = np.arange(depth) * 2 / depth
    # 0^0 = 1: the last layer feels no layer above it, the first none below.
    eigenvalues: Array = variances * (strengths[:, None, None] ** before[::-1] * strengths[:, None] ** before).sum(-1)
    return eigenvalues


def critical_rate(s: ArrayLike, depth: int, lam: ArrayLike = 1.0) -> float:
    """Return the rate `2/h` above which a balanced minimum repels gradient descent.

    Arguments and errors as in `hessian_eigenvalues`; infinite if the loss is flat there.

    >>> critical_rate([2.0, 1.0], depth=2), critical_rate([2.0, 1.0], depth=4).__round__(4)
    (0.5, 0.1768)
    """
    sharpness = float(hessian_eigenvalues(s, depth, lam).max())
    return 2 / sharpness if sharpness > 0 else float("inf")


def measured_hessian(model: Layer, objective: Objective, x: Array) -> Array:
    """Return the Hessian (p, p) of `objective(model, x)` in the model's flat parameters, exact to rounding.

    Column k is the imaginary part of the model's own gradient after a step of 1e-30 i in
    parameter k: no two numbers are subtracted. The objective must accept complex parameters.
    """
    moving, step = model.astype(np.complex128), 1e-30
    base, rows = moving.values.copy(), x.astype(np.complex128)
    hessian = np.empty((base.size, base.size))
    for k in range(base.size):
        moving.values[...] = base
        moving.values[k] += 1j * step
        moving.zero_grads()
        _, backward = objective(moving, rows, None)
        backward()
        hessian[:, k] = moving.grads.imag / step
    return hessian
