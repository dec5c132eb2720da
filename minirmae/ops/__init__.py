"""Operations: pure functions that return a value together with its backward."""

from minirmae.ops.activations import leaky_relu, relu, sigmoid, tanh
from minirmae.ops.conv2d import conv2d
from minirmae.ops.conv_transpose2d import conv_transpose2d
from minirmae.ops.convolution import correlate, correlate_dW, correlate_dx
from minirmae.ops.dropout import dropout
from minirmae.ops.linear import linear
from minirmae.ops.linear_stack import collapse, linear_stack
from minirmae.ops.losses import binary_cross_entropy_with_logits, mean_squared_error, softmax_cross_entropy
from minirmae.ops.pooling import avg_pool2d, max_pool2d
from minirmae.ops.reshape import flatten, reshape

__all__ = [
    "avg_pool2d",
    "binary_cross_entropy_with_logits",
    "collapse",
    "conv2d",
    "conv_transpose2d",
    "correlate",
    "correlate_dW",
    "correlate_dx",
    "dropout",
    "flatten",
    "leaky_relu",
    "linear",
    "linear_stack",
    "max_pool2d",
    "mean_squared_error",
    "relu",
    "reshape",
    "sigmoid",
    "softmax_cross_entropy",
    "tanh",
]
