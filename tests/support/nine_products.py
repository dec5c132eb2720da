"""The same geometry for windows and for nine products."""

import numpy as np

from minirmae.engines.cpu.form import Form
from minirmae.engines.cpu.winograd import Winograd


def nine_products(rng, size, channels, outputs, dtype=np.float64):
    """`Form` and `Winograd` of one geometry, and random x, W, y for it."""
    layer = (size, channels, (4, 4), outputs, (2, 2), (1, 1))
    shapes = (3, *size, channels), (4, 4, channels, outputs), (3, size[0] // 2, size[1] // 2, outputs)
    return Form(*layer), Winograd(*layer), [rng.normal(size=shape).astype(dtype) for shape in shapes]
