"""Measures of autoencoders, on plain arrays: of images by their features, of codes by what can be read off them."""

from __future__ import annotations

from minirmae.measures.classification import accuracy, accuracy_curve, classification_head, head_predictions
from minirmae.measures.frechet import frechet_distance, gaussian_frechet_distance
from minirmae.measures.linear_probe import LinearProbe, fit_linear_probe, probe_predictions
from minirmae.measures.reconstruction import reconstruction_error
from minirmae.measures.smoothness import interpolation_roughness, path_roughness
from minirmae.measures.trustworthiness import continuity, trustworthiness
from minirmae.measures.tsne import Map, tsne

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
