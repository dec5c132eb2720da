"""Operations: pure functions that return a value together with its backward, `y, backward = op(x, W, ...)`."""

from minirmae.ops.activations import leaky_relu, relu, sigmoid, tanh
from minirmae.ops.convolution import conv2d, conv_transpose2d
from minirmae.ops.dropout import dropout
from minirmae.ops.linear import linear, linear_stack
from minirmae.ops.losses import binary_cross_entropy_with_logits, mean_squared_error, softmax_cross_entropy
from minirmae.ops.pooling import avg_pool2d, max_pool2d
from minirmae.ops.reshape import flatten, reshape

__all__ = [
    "avg_pool2d", "binary_cross_entropy_with_logits", "conv2d", "conv_transpose2d", "dropout", "flatten", "leaky_relu",
    "linear", "linear_stack", "max_pool2d", "mean_squared_error", "relu", "reshape", "sigmoid", "softmax_cross_entropy",
    "tanh",
]  # fmt: skip
