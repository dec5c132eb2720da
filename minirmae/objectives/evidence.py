"""The two terms of the evidence bound, in nats per image.

A variational autoencoder (Kingma and Welling 2013, arXiv 1312.6114) encodes an
image as a normal distribution q(z|x) with mean mu and variance exp(v), and
scores it by

    reconstruction = -E log p(x|z),         Bernoulli in each pixel, one sample z
    divergence     = KL(q(z|x) || N(0, I)).

Their sum is minus the evidence bound. The loss of every relative of the VAE is a
function of these two numbers (`vae.py`), so `terms` returns both, and a backward
that takes the derivatives with respect to both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minirmae.arrays import Array, array_module
from minirmae.layers import Backward, Layer, Sequential, Sigmoid
from minirmae.models.autoencoder import Autoencoder, ModelConfig, build
from minirmae.objectives.recipe import Settings
from minirmae.ops import binary_cross_entropy_with_logits
from minirmae.ops.losses import LossBackward
from minirmae.validation import require_ndim

TermsBackward = Callable[[float, float], None]


class GaussianCode(Layer):
    """Sample `z = mu + exp(v / 2) noise` (N, n) from h = (mu, v) (N, 2n); without an rng, `z = mu`.

    The noise is standard normal, drawn from the rng and not differentiated
    (the reparametrisation of the paper's section 2.4): `dmu = dz`,
    `dv = dz exp(v / 2) noise / 2`. `fixed` are arrays to store in the model with the layer.
    """

    def __init__(self, n: int, fixed: dict[str, Array] | None = None) -> None:
        super().__init__(fixed=fixed)
        self.n = n

    def __call__(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Backward]:
        xp = array_module(x)
        mu, v = _halves("GaussianCode", x)
        deviation = xp.zeros_like(mu)
        if rng is not None:
            noise = np.asarray(rng.standard_normal(mu.shape), dtype=x.real.dtype)
            deviation = xp.exp(v / 2) * xp.asarray(noise)

        def backward(dz: Array) -> Array:
            return xp.concatenate([dz, dz * deviation / 2], axis=1)

        return mu + deviation, backward

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (self.n,)


def gaussian_divergence(h: Array) -> tuple[Array, LossBackward]:
    """KL(N(mu, diag exp(v)) || N(0, I)) in nats, summed over the code and averaged over the batch.

    Args:
        h: (N, 2n), the means mu and then the log variances v.

    Returns:
        The divergence `sum (mu^2 + exp(v) - 1 - v) / 2N` (the paper's appendix B), and its
        backward `dloss -> dh`, with `dmu = mu / N` and `dv = (exp(v) - 1) / 2N`.

    Raises ValueError unless `h` has two axes and an even number of columns.

    >>> gaussian_divergence(np.array([[2.0, 0.0]]))[0].item()
    2.0
    """
    xp = array_module(h)
    mu, v = _halves("gaussian_divergence", h)
    # exp(v) - 1 keeps its digits near v = 0, which is where entries end up that the code does not use.
    excess = xp.expm1(v)

    def backward(dloss: float = 1.0) -> Array:
        return xp.concatenate([mu, excess / 2], axis=1) * (dloss / len(h))

    return (mu * mu + (excess - v)).sum() / (2 * len(h)), backward


def logits(decoder: Layer, z: Array, rng: np.random.Generator | None = None) -> tuple[Array, Backward]:
    """Images of codes `z` before the decoder's final sigmoid, and the backward `dlogits -> dz`.

    A cross-entropy computed from these neither overflows nor takes the logarithm of 0.

    Raises TypeError if the decoder is not a `Sequential` that ends in a `Sigmoid`.
    """
    last = [decoder, *decoder.children.values()][-1]
    if not (isinstance(decoder, Sequential) and isinstance(last, Sigmoid)):
        raise TypeError(f"logits: the decoder must end in a Sigmoid, but ends in {type(last).__name__}")
    return decoder[:-1](z, rng)


def terms(model: Autoencoder, x: Array, rng: np.random.Generator | None) -> tuple[Array, Array, TermsBackward]:
    """Return reconstruction and divergence, both in nats per image and averaged over the batch, and their backward.

    `backward(dreconstruction, ddivergence)` adds to the model's gradients. Without an rng
    z is the mean of q(z|x): the result is repeatable, but the sum is no longer a bound.
    """
    h, encoder_backward = model.encoder(x, rng)
    z, code_backward = model.bottleneck(h, rng)
    s, logits_backward = logits(model.decoder, z, rng)
    entropy, entropy_backward = binary_cross_entropy_with_logits(s, x)
    divergence, divergence_backward = gaussian_divergence(h)
    pixels = x[0].size

    def backward(dreconstruction: float, ddivergence: float) -> None:
        dz = logits_backward(entropy_backward(pixels * dreconstruction))
        encoder_backward(code_backward(dz) + divergence_backward(ddivergence))

    return pixels * entropy, divergence, backward


def variational_model(config: ModelConfig, settings: Settings, rng: np.random.Generator, dtype: Any) -> Autoencoder:
    """The preset with 2n encoder outputs, a sampled code and a sigmoid output; codes are the means.

    Raises ValueError if there are linear layers.
    """
    n = config.latent
    return build(config, rng, dtype, encoder_outputs=2 * n, bottleneck=lambda rng: GaussianCode(n), output=Sigmoid())


def _halves(where: str, h: Array) -> tuple[Array, Array]:
    """Means and log variances."""
    require_ndim(where, "h", h, 2, "(batch, means and log variances)")
    if h.shape[1] % 2:
        raise ValueError(f"{where}: h must have an even number of columns, means and log variances, got {h.shape[1]}")
    n = h.shape[1] // 2
    return h[:, :n], h[:, n:]
