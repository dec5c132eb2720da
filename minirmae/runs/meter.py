"""What has been counted since the last training record; it travels through checkpoints."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from minirmae.loop import Step


@dataclass
class Meter:
    """Sums over the steps since the last record.

    Attributes:
        steps, images: how many.
        loss: sum of the steps' losses.
        seconds: time in steps, without evaluations and checkpoints.
    """

    steps: int = 0
    images: int = 0
    loss: float = 0.0
    seconds: float = 0.0

    def add(self, step: Step) -> None:
        """Count `step`."""
        self.steps += 1
        self.images += step.images
        self.loss += step.loss
        self.seconds += step.seconds

    def means(self) -> dict[str, Any]:
        """Return `loss`, the mean, and `images_per_second`."""
        return {"loss": self.loss / self.steps, "images_per_second": self.images / max(self.seconds, 1e-9)}

    def to_json(self) -> dict[str, Any]:
        """Return the sums as a dict that `json.dumps` takes."""
        return asdict(self)
