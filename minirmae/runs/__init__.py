"""Runs: trainings that live in a directory and outlive their process.

`train(config, directory)` makes a run of a configuration, `open_run` opens one.
`fit` and `training_steps`, from `minirmae.loop`, train any model on any data
set and touch no file.
"""

from __future__ import annotations

from minirmae.loop import Step, fit, noise_generator, training_steps
from minirmae.runs.build import (
    evaluation_data,
    make_model,
    make_objective,
    make_optimizer,
    total_steps,
    training_data,
)
from minirmae.runs.checkpoint import Checkpoint, CheckpointError, load_checkpoint, save_checkpoint
from minirmae.runs.config import DTYPES, OPTIMIZERS, SCHEDULES, TrainingConfig
from minirmae.runs.console import Progress
from minirmae.runs.directory import Run, RunError, open_run
from minirmae.runs.evaluation import ClassifierEvaluation, Evaluation, evaluate, evaluate_classifier
from minirmae.runs.history import HistoryError
from minirmae.runs.signals import TrainingInterrupted
from minirmae.runs.train import train, train_together
from minirmae.step import NonFiniteLoss

__all__ = [
    "DTYPES",
    "OPTIMIZERS",
    "SCHEDULES",
    "Checkpoint",
    "CheckpointError",
    "ClassifierEvaluation",
    "Evaluation",
    "HistoryError",
    "NonFiniteLoss",
    "Progress",
    "Run",
    "RunError",
    "Step",
    "TrainingConfig",
    "TrainingInterrupted",
    "evaluate",
    "evaluate_classifier",
    "evaluation_data",
    "fit",
    "load_checkpoint",
    "make_model",
    "make_objective",
    "make_optimizer",
    "noise_generator",
    "open_run",
    "save_checkpoint",
    "total_steps",
    "train",
    "train_together",
    "training_data",
    "training_steps",
]
