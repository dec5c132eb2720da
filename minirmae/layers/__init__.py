"""Layers: parameters that call an op. To write your own, subclass `Layer`, hand it your arrays and call your op."""

from minirmae.layers.affine import Conv2d, ConvTranspose2d, Linear, LinearStack
from minirmae.layers.layer import Backward, Layer, Sequential, Shape
from minirmae.layers.plain import AvgPool2d, Dropout, Flatten, LeakyReLU, MaxPool2d, ReLU, Reshape, Sigmoid, Tanh
