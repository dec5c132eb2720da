"""A comparison so small that it takes seconds, and a reporter that only remembers."""

from minirmae.comparison.plan import Plan


def tiny_plan(**changes):
    settings = {"methods": ("ae", "irmae"), "latent": 4, "seeds": 1, "steps": 12, "batch_size": 2}
    settings |= {"training_images": 40, "evaluation_images": 40, "code_images": 40, "samples": 40, "labels": (20,)}
    settings |= {"head_epochs": 2, "classifier_steps": 2, "lines": 5, "map_images": 30, "map_steps": 20}
    return Plan(**{**settings, **changes})


def files(directory):
    """The content of every file below a directory."""
    return {path: path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()}


class Memory:
    """A reporter that keeps what it is told, and calls `watch` with the tasks that run."""

    def __init__(self, watch=lambda tasks: None):
        self.ended, self.watch = [], watch

    def running(self, tasks):
        self.watch(tasks)

    def done(self, name, how):
        self.ended.append((name, how))
