"""Derivatives along a direction: of ops (`ops.py`), of layers and models (`layers.py`), and the backward of both."""

from minirmae.tangents.layers import chain, tangent, tangent_rule

__all__ = ["chain", "tangent", "tangent_rule"]
