"""Receptive fields of noisy units: an overcomplete linear code of image patches.

    python examples/overcomplete_patches.py OUT [FOLDER] [STEPS]

Cuts 8 x 8 patches from the PNG and JPEG images in FOLDER, or without one (or with
"-") from generated dead leaves: discs that hide each other, whose amplitude falls
about as 1/frequency and which have edges, as natural images do. Trains 128 units
of 1 bit each on them, compares their error with that of the best linear code, and draws
what each unit looks for and what it adds to the reconstruction into
OUT/receptive-fields.png.
"""

import sys
from pathlib import Path

import numpy as np

from minirmae.data import ImageFolder
from minirmae.objectives.overcomplete import (
    expected_error,
    limited_capacity,
    linear_machine,
    optimal_error,
    signal_to_noise,
)
from minirmae.optimizers import Adam
from minirmae.report.plots import image_grid, save_figure
from minirmae.schedules import cosine

SIDE, UNITS, BITS, SPARSITY = 8, 128, 1.0, 2.0


def dead_leaves(count, side, rng):
    """Images (count, side, side) of discs that hide each other, the number of radius r falling as 1/r^3."""
    images = np.zeros((count, side, side))
    rows, columns = np.mgrid[:side, :side]
    for image in images:
        radii = 1 / np.sqrt(rng.uniform((2 / side) ** 2, 1, 1500))  # from 1 to side/2 pixels
        for radius, (row, column), grey in zip(
            radii, rng.uniform(-0.2, 1.2, (1500, 2)) * side, rng.random(1500), strict=True
        ):
            image[(rows - row) ** 2 + (columns - column) ** 2 < radius**2] = grey
    return images


def patches(images, count, rng):
    """Random patches (count, SIDE, SIDE, 1) of images (N, H, W), centred, with variance 1 on average."""
    which = rng.integers(len(images), size=count)
    top, left = (rng.integers(size - SIDE + 1, size=count) for size in images.shape[1:])
    cut = np.stack([images[n, i : i + SIDE, j : j + SIDE] for n, i, j in zip(which, top, left, strict=True)])
    cut = cut - cut.mean(axis=0)
    return (cut / cut.std())[..., None].astype(np.float32)


def fields(vectors):
    """Vectors (UNITS, pixels) as rows of images for a grid, each with its zero at mid-grey."""
    scaled = 0.5 + 0.5 * vectors / np.abs(vectors).max(axis=1, keepdims=True)
    return scaled.reshape(-1, 16, SIDE, SIDE, 1).astype(np.float32)


def main(out, folder="-", steps=4000):
    rng = np.random.default_rng(0)
    if folder == "-":
        images = dead_leaves(100, 64, rng)
    else:
        found = ImageFolder(folder, size=128, crop=None, channels=1)
        images = found.batch(np.arange(len(found)))[..., 0]
    data = patches(images, 20_000, rng)
    snr = signal_to_noise(BITS)
    model, optimizer = linear_machine((SIDE, SIDE, 1), UNITS, snr, rng, np.float32), Adam(cosine(5e-3, steps=steps))
    for _ in range(steps):
        x = data[rng.integers(len(data), size=256)]
        _, backward = limited_capacity(model, x, rng, sparsity=SPARSITY)
        model.zero_grads()
        backward()
        optimizer.step(model.values, model.grads)
    W = model.encoder.children["1"].parameters["W"].value.astype(np.float64)
    A = model.decoder.children["0"].parameters["W"].value.astype(np.float64)
    S = np.cov(data.reshape(len(data), -1), rowvar=False)
    power = np.diag(W.T @ S @ W)
    least = optimal_error(np.linalg.eigvalsh(S).clip(0), UNITS, snr)
    print(f"{SIDE * SIDE} pixels, {UNITS} units of {BITS:g} bit, power {power.min():.2f} to {power.max():.2f}")
    print(f"part of the variance that is lost: {expected_error(S, W, A, snr) / np.trace(S):.4f}")
    print(f"by the best linear code:           {least / np.trace(S):.4f}")
    labels = ["looks for"] + [""] * 3 + ["adds"] + [""] * 3
    path = Path(out) / "receptive-fields.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    save_figure(image_grid(np.concatenate([fields(W.T[::2]), fields(A[::2])]), row_labels=labels), path)
    print(f"wrote {path}")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3, 4):
        sys.exit(__doc__)
    main(*sys.argv[1:3], *map(int, sys.argv[3:]))
