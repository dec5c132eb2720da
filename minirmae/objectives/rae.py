"""What the regularised autoencoders share: a price for the size of the code.

    loss = mean (x_hat - x)^2 + beta * mean_n |z_n|^2 / 2 + regulariser of the decoder

(Ghosh, Sajjadi, Vergari, Black, Scholkopf 2019, arXiv 1903.12436.) A VAE adds
noise to its code, which forces the decoder to be smooth. An RAE has no noise and
asks for the smoothness directly: with small weights (`rae_l2.py`), with a small
derivative (`rae_gp.py`) or with layers that cannot stretch (`rae_sn.py`). The
price on the code keeps it from growing, which would undo any of the three.
"""

from __future__ import annotations

from typing import Any

from minirmae.arrays import Array
from minirmae.ops.losses import LossBackward
from minirmae.validation import require_float, require_ndim

SOURCE = "Ghosh, Sajjadi, Vergari, Black, Scholkopf 2019 (arXiv 1903.12436)"


def embedding(z: Array) -> tuple[Array, LossBackward]:
    """Half the mean squared length of the codes `z` (N, n), and its backward `dloss -> dz = dloss z / N`.

    Raises TypeError if `z` is not floating, ValueError if it has not two axes.

    >>> import numpy as np
    >>> value, backward = embedding(np.array([[3.0, 4.0], [0.0, 1.0]]))
    >>> float(value)
    6.5
    >>> backward()
    array([[1.5, 2. ],
           [0. , 0.5]])
    """
    require_float("embedding", z=z)
    require_ndim("embedding", "z", z, 2, "(batch, n)")

    def backward(dloss: Any = 1.0) -> Array:
        return z * (dloss / len(z))

    return (z * z).sum() / (2 * len(z)), backward
