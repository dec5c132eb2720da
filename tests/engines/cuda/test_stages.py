"""The launches of single stages."""

import numpy as np
from cuda_models import plan_of

from minirmae.layers import LinearStack, Sequential


def test_wide_chains_are_products_one_by_one():
    for shared in (False, True):
        model = Sequential(LinearStack(300, 3, rng=np.random.default_rng(0), shared=shared))
        kernels = [launch.kernel for launch in plan_of(model, (5, 300), 5).launches(5)]
        assert kernels.count("conv_forward") == 3
        assert kernels.count("conv_input_gradient") == 3
        assert kernels.count("conv_weight_gradient") == 1
        assert "chain" not in kernels
