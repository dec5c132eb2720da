"""Hypothesis draws the same examples on every run and does not time them: speed is no test's business."""

from hypothesis import settings

settings.register_profile("repeatable", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("repeatable")
