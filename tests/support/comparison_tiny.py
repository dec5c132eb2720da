"""A comparison so small that it takes seconds, and a board that only remembers."""

from minirmae.comparison.plan import Plan


def tiny_plan(**changes):
    settings = {"methods": ("ae", "irmae"), "latent": 4, "seeds": 1, "steps": 12, "batch_size": 2}
    settings |= {"training_images": 40, "evaluation_images": 40, "code_images": 40, "samples": 40, "labels": (20,)}
    settings |= {"head_epochs": 2, "classifier_steps": 2, "lines": 5, "map_images": 30, "map_steps": 20}
    return Plan(**{**settings, **changes})


class Memory:
    """A board that keeps what it is told, and calls `watch` with the pieces that run."""

    def __init__(self, watch=lambda pieces: None):
        self.ended, self.watch = [], watch

    def running(self, pieces):
        self.watch(pieces)

    def done(self, name, how):
        self.ended.append((name, how))
