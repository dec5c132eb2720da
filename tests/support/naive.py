"""The slow, obvious versions that the fast ones are compared with."""

import numpy as np


def convolve(x, W, stride, padding):
    """Convolution by its definition: one loop per index of the output."""
    (SH, SW), (PH, PW) = stride, padding
    KH, KW, _, O = W.shape
    padded = np.pad(x, ((0, 0), (PH, PH), (PW, PW), (0, 0)))
    OH = (padded.shape[1] - KH) // SH + 1
    OW = (padded.shape[2] - KW) // SW + 1
    y = np.zeros((len(x), OH, OW, O), dtype=x.dtype)
    for n in range(len(x)):
        for i in range(OH):
            for j in range(OW):
                window = padded[n, i * SH : i * SH + KH, j * SW : j * SW + KW]
                for o in range(O):
                    y[n, i, j, o] = np.sum(window * W[..., o])
    return y


def convolve_transposed(x, W, stride, padding, output_padding):
    """Transposed convolution by its definition: every input pixel stamps the kernel into the output."""
    (SH, SW), (PH, PW), (EH, EW) = stride, padding, output_padding
    N, H, Wd, _ = x.shape
    KH, KW, O, _ = W.shape
    full = np.zeros((N, (H - 1) * SH + KH + EH, (Wd - 1) * SW + KW + EW, O), dtype=x.dtype)
    for n in range(N):
        for i in range(H):
            for j in range(Wd):
                full[n, i * SH : i * SH + KH, j * SW : j * SW + KW] += W @ x[n, i, j]
    return full[:, PH : full.shape[1] - PH, PW : full.shape[2] - PW]
