"""The plain basis of the trilinear form: one product, with the matrix of patches.

The rows of X hold the KH x KW x C window of the padded image under one output
pixel (Chellapilla, Puri, Simard 2006), the kernel is a matrix of as many rows,
and the outputs are a matrix as they are. The adjoint of taking patches adds
every window back to where it was read.
"""

from __future__ import annotations

from minirmae.backend import Array, array_module
from minirmae.ops.form import Form


class Patches(Form):
    """One product (rows = OH OW, depth = KH KW C), for every geometry."""

    @property
    def matrices(self) -> tuple[int, int, int]:
        OH, OW = self.output_size
        return 1, OH * OW, self.kernel[0] * self.kernel[1] * self.channels

    def X(self, x: Array) -> Array:
        (OH, OW), (KH, KW), (SH, SW) = self.output_size, self.kernel, self.stride
        x = self._padded(x)
        n, h, w, c = x.strides
        windows = array_module(x).lib.stride_tricks.as_strided(
            x,
            shape=(len(x), OH, OW, KH, KW, self.channels),
            strides=(n, h * SH, w * SW, h, w, c),
        )
        return windows.reshape(1, len(x) * OH * OW, KH * KW * self.channels)

    def X_adjoint(self, X: Array, out: Array) -> None:
        (H, W), (OH, OW), (KH, KW) = self.size, self.output_size, self.kernel
        (SH, SW), (PH, PW) = self.stride, self.padding
        # Columns that do not overlap, SW of them, are added at once: they lie side by side in window and image.
        side = SW if KW % SW == 0 else 1
        step = SW // side
        width = -(-(W + 2 * PW) // side) * side
        N = len(out)
        windows = X.reshape(N, OH, OW, KH, KW // side, side * self.channels)
        padded = array_module(X).zeros((N, H + 2 * PH, width // side, side * self.channels), dtype=X.dtype)
        for k in range(KH):
            for l in range(KW // side):
                padded[:, k : k + SH * OH : SH, l : l + step * OW : step] += windows[:, :, :, k, l]
        out[...] = padded.reshape(N, H + 2 * PH, width, self.channels)[:, PH : PH + H, PW : PW + W]

    def K(self, W: Array) -> Array:
        return W.reshape(1, -1, self.outputs)

    def K_adjoint(self, K: Array) -> Array:
        return K.reshape(*self.kernel, self.channels, self.outputs)

    def Y(self, y: Array) -> Array:
        return y.reshape(1, -1, self.outputs)

    def Y_adjoint(self, Y: Array, out: Array) -> None:
        out[...] = Y.reshape(out.shape)

    def _padded(self, x: Array) -> Array:
        """The images with a frame of zeros; themselves if there is none."""
        (H, W), (PH, PW) = self.size, self.padding
        if not (PH or PW):
            return x
        padded = array_module(x).zeros((len(x), H + 2 * PH, W + 2 * PW, self.channels), dtype=x.dtype)
        padded[:, PH : PH + H, PW : PW + W] = x
        return padded
