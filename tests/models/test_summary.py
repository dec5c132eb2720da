"""A model as a table."""

import numpy as np

from minirmae.layers import Flatten, Linear, LinearStack, Sequential
from minirmae.models.summary import summary


def rng():
    return np.random.default_rng(0)


def test_summary_counts_every_parameter():
    model = Sequential(Flatten(), Sequential(Linear(6, 5, rng=rng()), LinearStack(5, 2, rng=rng())))
    text = summary(model, (2, 3))
    assert f"{model.values.size:,} trainable parameters" in text
    assert "1.0 Linear" in text
    stack = LinearStack(4, 3, rng=rng(), trainable=False)
    assert "0 trainable parameters, 48 fixed" in summary(stack, (4,))
