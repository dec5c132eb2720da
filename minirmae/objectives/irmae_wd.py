"""IRMAE with weight decay: the plain objective, trained with AdamW.

    loss = mean (x_hat - x)^2,      w <- w - rate (Adam's direction + decay w)

(Zeng, Perez De Jesus, Fox and Graham 2023, arXiv 2305.01090, and their public
code.) Implicit regularisation finds the directions that matter; decay removes
the ones in which the loss is flat, so the spectrum falls sharply at the
dimension of the data. Nothing here but the training differs from `plain`: four
linear layers, rate 1e-3, decay 1e-6, and no optimiser but AdamW, whose decay
it is.
"""

from __future__ import annotations

from minirmae.objectives.plain import reconstruction
from minirmae.objectives.recipe import Recipe

RECIPE = Recipe(
    name="irmae-wd",
    title="IRMAE-WD",
    statement="IRMAE with decoupled weight decay",
    source="Zeng, Perez De Jesus, Fox, Graham 2023 (arXiv 2305.01090)",
    objective=lambda settings: reconstruction,
    linear_layers=4,
    training={"optimizer": "adamw", "learning_rate": 1e-3, "weight_decay": 1e-6},
    essential=("optimizer",),
    per_image=True,
)
