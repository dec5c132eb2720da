"""Layers: parameters that call an op. To write your own, subclass `Layer`, hand it your arrays and call your op."""

from minirmae.layers.affine import Conv2d, ConvTranspose2d, Linear, LinearStack
from minirmae.layers.layer import Backward, Layer, Shape
from minirmae.layers.plain import AvgPool2d, Dropout, Flatten, LeakyReLU, MaxPool2d, ReLU, Reshape, Sigmoid, Tanh
from minirmae.layers.sequential import Sequential

__all__ = [
    "AvgPool2d", "Backward", "Conv2d", "ConvTranspose2d", "Dropout", "Flatten", "Layer", "LeakyReLU", "Linear",
    "LinearStack", "MaxPool2d", "ReLU", "Reshape", "Sequential", "Shape", "Sigmoid", "Tanh",
]  # fmt: skip
