"""Measures of autoencoders, on plain arrays.

Of codes, one row an image:
    codes             the checks, mean and covariance that all of them start with
    rank              how many directions a spectrum uses
    sampling          new codes: lines, grids, samples from one Gaussian or a mixture
    mixture           a mixture of Gaussians, fitted by expectation-maximisation
    kmeans            clusters, the start of a mixture
    linear_probe      how much of the classes a linear map reads off the codes
    classification    the same of the paper's small network; accuracy over numbers of labels

Of images:
    reconstruction    how far reconstructions are from the images
    frechet           how far two sets of features are apart
    smoothness        how evenly images change along a line between two codes

Maps of codes:
    distances         squared distances between all pairs of points
    affinities        to what degree one point is a neighbour of another
    tsne              t-SNE, the map
    trustworthiness   whether the neighbours on a map are neighbours in the data
"""

from __future__ import annotations

from minirmae.measures.affinities import conditional_affinities, joint_affinities
from minirmae.measures.classification import accuracy, accuracy_curve, classification_head, head_predictions
from minirmae.measures.distances import squared_distances
from minirmae.measures.frechet import frechet_distance, gaussian_frechet_distance
from minirmae.measures.kmeans import kmeans_plus_plus, lloyd
from minirmae.measures.linear_probe import LinearProbe, fit_linear_probe, probe_predictions
from minirmae.measures.mixture import GaussianMixture, fit_mixture
from minirmae.measures.rank import (
    RankSummary,
    covariance_spectrum,
    effective_rank,
    numerical_rank,
    participation_ratio,
    product_spectrum,
    stable_rank,
    summarize,
)
from minirmae.measures.reconstruction import reconstruction_error
from minirmae.measures.sampling import (
    PrincipalComponents,
    interpolate,
    pca_grid,
    principal_components,
    sample_gaussian,
    sample_mixture,
)
from minirmae.measures.smoothness import interpolation_roughness, path_roughness
from minirmae.measures.trustworthiness import continuity, trustworthiness
from minirmae.measures.tsne import Map, map_divergence, tsne

__all__ = [
    "GaussianMixture",
    "LinearProbe",
    "Map",
    "PrincipalComponents",
    "RankSummary",
    "accuracy",
    "accuracy_curve",
    "classification_head",
    "conditional_affinities",
    "continuity",
    "covariance_spectrum",
    "effective_rank",
    "fit_linear_probe",
    "fit_mixture",
    "frechet_distance",
    "gaussian_frechet_distance",
    "head_predictions",
    "interpolate",
    "interpolation_roughness",
    "joint_affinities",
    "kmeans_plus_plus",
    "lloyd",
    "map_divergence",
    "numerical_rank",
    "participation_ratio",
    "path_roughness",
    "pca_grid",
    "principal_components",
    "probe_predictions",
    "product_spectrum",
    "reconstruction_error",
    "sample_gaussian",
    "sample_mixture",
    "squared_distances",
    "stable_rank",
    "summarize",
    "trustworthiness",
    "tsne",
]
