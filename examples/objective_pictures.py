"""A picture of each objective beside the plain autoencoder, after the same short training.

    python examples/objective_pictures.py [--preset mnist] [--data mnist] [--objectives l1 vae ...]
                                          [--steps 1000] [--out pictures]

Left the spectra of both codes; right images that neither has seen, and what
the objective's model makes of them, of the way between two of them, and of
samples from a mixture fitted to its codes. Runs are kept below OUT/runs, so
that a second call goes on.
"""

import argparse
from pathlib import Path

import numpy as np

from minirmae.measures import sampling
from minirmae.models.autoencoder import ModelConfig
from minirmae.objectives import recipe
from minirmae.objectives.registry import NAMES
from minirmae.report.analysis import analyse
from minirmae.report.style import new_figure, save_figure
from minirmae.runs import Progress, TrainingConfig, train

SHOWN = 8


def trained(name, args):
    """The finished run of an objective, with its paper's settings."""
    found = recipe(name)
    layers = 0 if name == "plain" else found.linear_layers
    settings = {"steps": args.steps} if name == "beta-vae-capacity" else {}
    fields = {**found.training, "settings": settings, "data": args.data or args.preset, "steps": args.steps}
    fields |= {"batch_size": 16, "evaluate_every": args.steps}
    config = TrainingConfig(ModelConfig.paper(args.preset, linear_layers=layers), name, **fields)
    return analyse(train(config, args.out / "runs" / name, resume=True, progress=Progress(name)), images=2000)


def rows(analysis):
    """Rows of pictures by what they show."""
    rng = np.random.default_rng(0)
    images = analysis.dataset.batch(np.arange(SHOWN), analysis.model.dtype)
    z = analysis.codes[:SHOWN]
    codes = {
        "reconstructed": z,
        "between two": sampling.interpolate(z[:1], z[1:2], SHOWN - 1)[0],
        "sampled": sampling.sample_mixture(analysis.codes, SHOWN, rng).astype(z.dtype),
    }
    return {"images": images, **{what: analysis.model.decode(chosen) for what, chosen in codes.items()}}


def figure(plain, analysis):
    """Spectra at the left, pictures at the right."""
    drawn = new_figure(9.6, 2.8)
    left, right = drawn.subplots(1, 2, width_ratios=(1, 1.9))
    for one, style in ((plain, {"color": "#999999"}), (analysis, {"color": "#0072B2"})):
        values = np.array(one.ranks.eigenvalues)
        place = np.arange(1, len(values) + 1)
        left.semilogy(place, np.maximum(values / values[0], 1e-12), marker="o", markersize=3, label=one.label, **style)
    left.set(ylim=(1e-6, 2), xlabel="eigenvalue of the codes' covariance", ylabel="relative to the largest")
    left.grid(True, color="#e6e6e6")
    left.spines[["top", "right"]].set_visible(False)
    left.legend(frameon=False, fontsize=9)
    side, gap = analysis.dataset.shape[0], 2
    pictures = rows(analysis)
    sheet = np.ones((len(pictures) * (side + gap), SHOWN * (side + gap), 3))
    for i, row in enumerate(pictures.values()):
        for j, image in enumerate(row):
            top, start = i * (side + gap), j * (side + gap)
            sheet[top : top + side, start : start + side] = np.clip(image, 0, 1)
    right.imshow(sheet, interpolation="nearest", aspect="equal")
    right.set_yticks([(i + 0.5) * (side + gap) for i in range(len(pictures))], list(pictures))
    right.set_xticks([])
    right.tick_params(length=0)
    right.spines[:].set_visible(False)
    return drawn


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [name for name in NAMES if name not in ("plain", "classify")]
    parser.add_argument("--preset", choices=("shapes", "mnist"), default="mnist")
    parser.add_argument("--data", help="images (default: the preset's name)")
    parser.add_argument("--objectives", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=Path("pictures"))
    args = parser.parse_args()
    plain = trained("plain", args)
    for name in args.objectives:
        save_figure(figure(plain, trained(name, args)), args.out / f"{name}.png")
        print(args.out / f"{name}.png", flush=True)


if __name__ == "__main__":
    main()
