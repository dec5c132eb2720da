"""Operations: pure functions that return a value together with its backward, `y, backward = op(x, W, ...)`."""

from minirmae.ops.convolution import conv2d, conv_transpose2d
from minirmae.ops.entrywise import dropout, flatten, leaky_relu, relu, reshape, sigmoid, tanh
from minirmae.ops.linear import linear, linear_stack
from minirmae.ops.losses import binary_cross_entropy_with_logits, mean_squared_error, softmax_cross_entropy
from minirmae.ops.pooling import avg_pool2d, max_pool2d
