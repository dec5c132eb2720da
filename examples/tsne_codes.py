"""A map of a trained run's codes by t-SNE, with its trustworthiness.

    python examples/tsne_codes.py RUN PICTURE.png [IMAGES]

RUN is a directory made by `minirmae train`. The map shows IMAGES of its
evaluation images, 1,000 by default, each drawn as its class if there are labels.
"""

import sys

import numpy as np

from minirmae.comparison.figures import map_figure
from minirmae.measures import trustworthiness, tsne
from minirmae.report.analysis import analyse
from minirmae.report.plots import save_figure
from minirmae.runs import open_run


def report(step, divergence):
    print(f"step {step}: divergence {divergence:.3f} nats", file=sys.stderr)


def main(run, picture, images=1000):
    found = analyse(open_run(run), images=images)
    mapped = tsne(found.codes, rng=np.random.default_rng(0), progress=report)
    trust = trustworthiness(found.codes, mapped.points)
    save_figure(map_figure({found.label: (mapped.points, found.dataset.labels, trust)}), picture)
    print(f"divergence {mapped.divergence:.3f} nats, trustworthiness {trust:.3f}; wrote {picture}")


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
