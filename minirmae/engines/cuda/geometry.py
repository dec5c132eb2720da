"""The sizes of a convolution, seen from the convolution whose form every kernel computes.

A transposed convolution is the input gradient of a convolution from its large
output to its small input; a linear layer is a convolution of one image, one
pixel high and as wide as the batch, with a kernel of one tap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from minirmae.engines.cuda.launch import int32
from minirmae.ops.convolution import output_size

Pair = tuple[int, int]


@dataclass(frozen=True)
class Geometry:
    """Images (N, H, W, C), kernel (KH, KW, C, O), output (N, OH, OW, O).

    Attributes:
        images: N.
        size: (H, W).
        channels: C.
        kernel: (KH, KW).
        outputs: O.
        stride, padding: for height and width.
    """

    images: int
    size: Pair
    channels: int
    kernel: Pair
    outputs: int
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)

    @property
    def output_size(self) -> Pair:
        """(OH, OW)."""
        height, width = output_size(self.size, self.kernel, self.stride, self.padding)
        return height, width

    @property
    def input_pixels(self) -> int:
        """N H W."""
        return self.images * self.size[0] * self.size[1]

    @property
    def output_pixels(self) -> int:
        """N OH OW."""
        return self.images * self.output_size[0] * self.output_size[1]

    @property
    def taps(self) -> int:
        """KH KW C, the terms of one output's sum."""
        return self.kernel[0] * self.kernel[1] * self.channels

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of any of the three products, terms with padding included."""
        return self.output_pixels * self.taps * self.outputs

    @property
    def entries(self) -> int:
        """Entries of the images, the kernel and the output together."""
        return self.input_pixels * self.channels + self.taps * self.outputs + self.output_pixels * self.outputs

    def phase_rows(self) -> int:
        """The most input pixels that see the same taps: those of one residue modulo the stride."""
        return self.images * -(-self.size[0] // self.stride[0]) * -(-self.size[1] // self.stride[1])

    def phase_taps(self) -> int:
        """The most taps that touch one input pixel, times O."""
        return -(-self.kernel[0] // self.stride[0]) * -(-self.kernel[1] // self.stride[1]) * self.outputs

    def numbers(self) -> tuple[np.int32, ...]:
        """Return N, H, W, C, KH, KW, O, SH, SW, PH, PW, OH, OW as the kernels take them.

        Raises ValueError if the batch has too many pixels to count.
        """
        int32("convolution", pixels=max(self.input_pixels, self.output_pixels, self.taps + 1) + 128)
        sizes: dict[str, Any] = {
            "N": self.images,
            "H": self.size[0],
            "W": self.size[1],
            "C": self.channels,
            "KH": self.kernel[0],
            "KW": self.kernel[1],
            "O": self.outputs,
            "SH": self.stride[0],
            "SW": self.stride[1],
            "PH": self.padding[0],
            "PW": self.padding[1],
            "OH": self.output_size[0],
            "OW": self.output_size[1],
        }
        return int32("convolution", **sizes)


def matrix_geometry(rows: int, inputs: int, outputs: int) -> Geometry:
    """Return the geometry of the product (rows, inputs) times (inputs, outputs)."""
    return Geometry(1, (1, rows), inputs, (1, 1), outputs)
