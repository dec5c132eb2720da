"""How smoothly a decoder goes from one image to another along a straight line between their codes.

On the line z1 + (z0 - z1) j / m of the paper's interpolations (Jing, Zbontar
and LeCun 2020), let x_j be the decoded images, v_j = x_{j+1} - x_j the steps
and a_j = x_{j+1} - 2 x_j + x_{j-1} the changes of the step. The roughness is

    mean_j |a_j|^2 / mean_j |v_j|^2,

over all lines together: curvature relative to speed, so that it depends on
neither the contrast of the images nor how far apart they are. It lies in
[0, 4]: 0 for a path that is straight and even in pixels, about 2 for independent
steps, 3 for independent images (such as an object that jumps clear of its old
place at every step), up to 4 for a path that flickers.

Smooth is not the same as good. A cross-fade of two pictures, each at half
strength in the middle, is the smoothest path of all, and its middle looks like no
image. So read the measure beside the pictures and the Frechet distance. To judge
a latent space by how evenly images change along a path in it is the idea of the
perceptual path length (Karras, Laine and Aila 2019) and of the interpolation
scores of Berthelot et al. 2018; this measure needs neither a pretrained network
nor a data set whose true paths are known.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minirmae.arrays import Array
from minirmae.measures.sampling import interpolate
from minirmae.validation import require_float


def interpolation_roughness(decode: Callable[[Array], Array], z0: Array, z1: Array, steps: int = 10) -> float:
    """Return the roughness of the decoded lines from `z1` to `z0`, both (pairs, n), in `steps` steps.

    Raises what `interpolate` and `path_roughness` raise.

    >>> z0, z1 = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    >>> interpolation_roughness(lambda z: z @ np.ones((2, 5)), z0, 2 * z1) < 1e-20
    True
    """
    line = interpolate(z0, z1, steps)
    images = decode(line.reshape(-1, line.shape[2]))
    return path_roughness(images.reshape(*line.shape[:2], -1))


def path_roughness(paths: Array) -> float:
    """Return the roughness of `paths` (pairs, points, ...), images in the order of each path; 0 if nothing moves.

    Raises TypeError unless they are floats, ValueError for fewer than 3 points on a path or a NaN or infinity.

    >>> path_roughness(np.array([[[0.0], [1.0], [0.0], [1.0]]]))
    4.0
    """
    where = "path_roughness"
    require_float(where, paths=paths)
    if paths.ndim < 2 or paths.shape[0] < 1 or paths.shape[1] < 3:
        raise ValueError(f"{where}: paths must be (pairs, points, ...) with at least 3 points, got {paths.shape}")
    if not np.isfinite(paths).all():
        raise ValueError(f"{where}: paths must be finite; if a model made them, its training has probably diverged")
    flat = paths.reshape(*paths.shape[:2], -1).astype(np.float64)
    steps = np.diff(flat, axis=1)
    speed = np.square(steps).mean()
    return float(np.square(np.diff(steps, axis=1)).mean() / speed) if speed > 0 else 0.0
