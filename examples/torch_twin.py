"""PyTorch's own modules with one of our models' weights: the peer that trajectories are compared with."""

import numpy as np
import torch
from torch import nn

from minirmae.layers import Conv2d, ConvTranspose2d, Flatten, Linear, LinearStack, ReLU, Reshape, Tanh


def images_first(x):
    """(N, H, W, C) in NumPy to (N, C, H, W) in PyTorch."""
    return torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))


def twin(model, image_shape):
    """Build the nn.Sequential that computes what `model` does, channels first."""
    modules, shape = [], image_shape
    leaves = list(_leaves(model))
    for i, layer in enumerate(leaves):
        output = layer.output_shape(shape)
        modules += _modules(layer, shape, leaves[i - 1] if i else None, leaves[i + 1 : i + 3])
        shape = output
    return nn.Sequential(*modules)


def _leaves(layer):
    if not layer.children:
        yield layer
    for child in layer.children.values():
        yield from _leaves(child)


def _modules(layer, shape, before, after):
    p = {name: parameter.value for name, parameter in layer.parameters.items()}
    if isinstance(layer, (Conv2d, ConvTranspose2d)):
        kind = nn.Conv2d if isinstance(layer, Conv2d) else nn.ConvTranspose2d
        module = kind(shape[2], layer.outputs, layer.kernel, layer.options["stride"], layer.options["padding"])
        return [_filled(module, p["W"].transpose(3, 2, 0, 1), p["b"])]
    if isinstance(layer, Linear):
        W, b = p["W"], p["b"]
        if isinstance(before, Flatten):  # rows of W come in (H, W, C) order; PyTorch flattens (C, H, W)
            W = W.reshape(*before.input_shape, -1).transpose(2, 0, 1, 3).reshape(W.shape)
        for reshape in after:
            if isinstance(reshape, Reshape):  # likewise its columns, where the next layer makes images of them
                W = W.reshape(-1, *reshape.options[0]).transpose(0, 3, 1, 2).reshape(W.shape)
                b = b.reshape(reshape.options[0]).transpose(2, 0, 1).ravel()
        return [_filled(nn.Linear(*W.shape), W.T, b)]
    if isinstance(layer, LinearStack):
        return [_filled(nn.Linear(layer.n, layer.n, bias=False), W.T) for W in layer.factors()]
    if isinstance(layer, Flatten):
        layer.input_shape = shape
        return [nn.Flatten()]
    if isinstance(layer, Reshape):
        H, W, C = layer.options[0]
        return [nn.Unflatten(1, (C, H, W))]
    return [{ReLU: nn.ReLU, Tanh: nn.Tanh}[type(layer)]()]


def _filled(module, W, b=None):
    dtype = torch.from_numpy(np.zeros(1, W.dtype)).dtype
    module = module.to(dtype)
    with torch.no_grad():
        module.weight.copy_(torch.from_numpy(np.ascontiguousarray(W)))
        if b is not None:
            module.bias.copy_(torch.from_numpy(np.ascontiguousarray(b)))
    return module
