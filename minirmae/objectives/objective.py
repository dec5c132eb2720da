"""What a model is trained for; the type is the training step's."""

from minirmae.step import Objective, ObjectiveBackward, Update

__all__ = ["Objective", "ObjectiveBackward", "Update"]
