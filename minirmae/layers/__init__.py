"""Layers: parameters that call an op.

To write your own, subclass `Layer`, hand your arrays to its constructor and
call your op.
"""

from __future__ import annotations

from minirmae.layers.activations import LeakyReLU, ReLU, Sigmoid, Tanh
from minirmae.layers.backward import Backward
from minirmae.layers.convolution import Conv2d, ConvTranspose2d
from minirmae.layers.dropout import Dropout
from minirmae.layers.layer import Layer, Shape
from minirmae.layers.linear import Linear, LinearStack
from minirmae.layers.pooling import AvgPool2d, MaxPool2d
from minirmae.layers.sequential import Sequential
from minirmae.layers.shapes import Flatten, Reshape

__all__ = [
    "AvgPool2d",
    "Backward",
    "Conv2d",
    "ConvTranspose2d",
    "Dropout",
    "Flatten",
    "Layer",
    "LeakyReLU",
    "Linear",
    "LinearStack",
    "MaxPool2d",
    "ReLU",
    "Reshape",
    "Sequential",
    "Shape",
    "Sigmoid",
    "Tanh",
]
