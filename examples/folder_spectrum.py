"""The spectrum of your own images: train on a folder of PNG or JPEG files, look at the codes.

    python examples/folder_spectrum.py FOLDER OUT [STEPS]

Trains a plain autoencoder and an IRMAE on 32 x 32 crops of the images in FOLDER
and writes `OUT/spectra.png`. Start it again to resume after an interruption.
"""

import sys
from pathlib import Path

from minirmae.models.autoencoder import ModelConfig
from minirmae.report.analysis import analyse, rank_table
from minirmae.report.plots import save_figure, spectrum_figure
from minirmae.runs import Progress, TrainingConfig, train


def main(folder, out, steps=500):
    analyses = []
    for layers in (0, 4):
        config = TrainingConfig(
            model=ModelConfig.paper("shapes", linear_layers=layers),  # 32 x 32 colour images
            data=folder,
            crop=None,
            steps=steps,
            evaluate_every=max(1, steps // 10),
        )
        run = train(config, Path(out) / f"l{layers}", resume=True, progress=Progress(f"l = {layers}"))
        analyses.append(analyse(run))
    print(rank_table([a.label for a in analyses], analyses).text())
    path = Path(out) / "spectra.png"
    save_figure(spectrum_figure({a.label: a.ranks.eigenvalues for a in analyses}), path)
    print(f"wrote {path}")


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
