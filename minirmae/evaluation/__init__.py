"""Measures of autoencoders, on plain arrays: of images by their features, of codes by what can be read off them."""

from __future__ import annotations

from minirmae.evaluation.classification import accuracy, accuracy_curve, classification_head, head_predictions
from minirmae.evaluation.frechet import frechet_distance, gaussian_frechet_distance
from minirmae.evaluation.linear_probe import LinearProbe, fit_linear_probe, probe_predictions
from minirmae.evaluation.reconstruction import reconstruction_error
from minirmae.evaluation.smoothness import interpolation_roughness, path_roughness
from minirmae.evaluation.trustworthiness import continuity, trustworthiness
from minirmae.evaluation.tsne import Map, tsne

__all__ = [
    "LinearProbe",
    "Map",
    "accuracy",
    "accuracy_curve",
    "classification_head",
    "continuity",
    "fit_linear_probe",
    "frechet_distance",
    "gaussian_frechet_distance",
    "head_predictions",
    "interpolation_roughness",
    "path_roughness",
    "probe_predictions",
    "reconstruction_error",
    "trustworthiness",
    "tsne",
]
