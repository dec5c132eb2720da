"""A model as a table: its layers, the shapes that they pass on, and their parameters."""

from __future__ import annotations

from collections.abc import Iterator

from minirmae.layers import Layer, Shape


def summary(layer: Layer, shape: Shape) -> str:
    """Table of the layers with output shapes and parameter counts, for one input sample of `shape`.

    >>> import numpy as np
    >>> from minirmae.layers import Linear, ReLU, Sequential
    >>> rng = np.random.default_rng(0)
    >>> print(summary(Sequential(Linear(4, 3, rng=rng), ReLU(), Linear(3, 2, rng=rng)), (4,)))
    layer     output  parameters
    0 Linear  3               15
    1 ReLU    3
    2 Linear  2                8
    23 trainable parameters
    """
    rows = [("layer", "output", "parameters"), *_rows(layer, "", shape)]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    lines = [f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}" for a, b, c in rows]
    total = f"{layer.values.size:,} trainable parameters"
    return "\n".join([*lines, total + (f", {layer.fixed.size:,} fixed" if layer.fixed.size else "")])


def _rows(layer: Layer, path: str, shape: Shape) -> Iterator[tuple[str, str, str]]:
    """Rows of the layers inside `layer`, or of itself."""
    for name, child in layer.children.items():
        yield from _rows(child, f"{path}.{name}".lstrip("."), shape)
        shape = child.output_shape(shape)
    if not layer.children:
        count = layer.values.size + layer.fixed.size
        output = " x ".join(map(str, layer.output_shape(shape)))
        yield f"{path} {type(layer).__name__}".lstrip(), output, f"{count:,}" if count else ""
