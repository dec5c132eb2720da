"""What must hold of codes and simulations on every device, as functions of its name; beside `device_parity`."""

import json

import numpy as np
import pytest
from device_parity import asarray_name, assert_close
from training_tiny import register, tiny_config

from minirmae.arrays import asarray, asnumpy, device_of
from minirmae.initializers import orthogonal
from minirmae.measures import sampling
from minirmae.measures.codes import mean_and_covariance
from minirmae.measures.mixture import fit_mixture
from minirmae.measures.rank import covariance_spectrum, product_spectrum, summarize
from minirmae.models.autoencoder import PRESETS
from minirmae.report.analysis import analyse
from minirmae.report.gallery import picture
from minirmae.runs import evaluate, open_run, train
from minirmae.theory import registry
from minirmae.theory.lab.placement import simulations_on


def check_run(device, directory):
    """A run begun on the device goes on with the processor, and ends where one on the processor ends."""
    register()
    try:
        _check_run(device, directory)
    finally:
        del PRESETS["tiny"]


def _check_run(device, directory):
    with pytest.warns(RuntimeWarning, match="captured step trains in float32"):
        there = train(tiny_config(steps=15, dtype="float64"), directory / "there", device=device)
    train(tiny_config(steps=30, dtype="float64"), directory / "there", resume=True)
    here = train(tiny_config(dtype="float64"), directory / "here")
    assert_close(there.model().values, here.model().values, 768 * 30)
    analysis, exact = analyse(here, device=device), analyse(here)
    assert device_of(analysis.codes) == asarray_name(device)
    assert_close(analysis.codes, exact.codes, 768)
    assert json.dumps(analysis.ranks.to_json())
    for kind in ("reconstruction", "interpolation", "pca", "gaussian"):
        picture(analysis, kind, np.random.default_rng(0))
    there_after = evaluate(there.model().to(device), exact.dataset)
    assert_close(np.array(there_after.loss), np.array(evaluate(there.model(), exact.dataset).loss), 768)
    assert open_run(directory / "there").config.steps == 30


def codes_of_rank(rank):
    """Sixty codes in eight dimensions that fill `rank` of them."""
    rng = np.random.default_rng(5)
    return rng.standard_normal((60, rank)) @ orthogonal(rng, (rank, 8), rank, 8) + rng.standard_normal(8)


def check_rank(device):
    """Spectra and rank measures of codes of full and of low rank."""
    for rank in (8, 3):
        codes = codes_of_rank(rank)
        there = asarray(codes, device)
        largest = covariance_spectrum(codes)[0]
        assert device_of(covariance_spectrum(there)) == asarray_name(device)
        assert np.abs(asnumpy(covariance_spectrum(there)) - covariance_spectrum(codes)).max() <= 1e-13 * largest
        difference = asnumpy(product_spectrum(there)) - product_spectrum(codes)
        assert np.abs(difference).max() <= 1e-13 * product_spectrum(codes)[0]
        found, exact = summarize(there), summarize(codes)
        assert found.numerical_ranks == exact.numerical_ranks
        for measure in ("effective_rank", "stable_rank", "participation_ratio"):
            assert abs(getattr(found, measure) / getattr(exact, measure) - 1) < 1e-6
        for mine, reference in zip(mean_and_covariance("test", there), mean_and_covariance("test", codes), strict=True):
            assert_close(mine, reference, 60)


def check_sampling(device):
    """Samples, lines, grids and mixtures of codes on the device: the same numbers from the same seed."""
    codes = np.concatenate([codes_of_rank(8), codes_of_rank(8) * 0.3 + 6])
    there = asarray(codes, device)
    makers = {
        "interpolate": lambda z: sampling.interpolate(z[:5], z[5:10]),
        "gaussian": lambda z: sampling.sample_gaussian(z, 20, np.random.default_rng(0)),
        "pca_grid": lambda z: sampling.pca_grid(z, 4),
        "mixture": lambda z: sampling.sample_mixture(z, 20, np.random.default_rng(0), components=2),
    }
    for make in makers.values():
        made, exact = make(there), make(codes)
        assert device_of(made) == asarray_name(device)
        assert np.abs(asnumpy(made) - exact).max() < 1e-8
    fitted, exact = (fit_mixture(z, 2, rng=np.random.default_rng(0)) for z in (there, codes))
    np.testing.assert_allclose(fitted.log_likelihoods, exact.log_likelihoods, rtol=1e-10)
    np.testing.assert_allclose(asnumpy(fitted.log_density(there)), exact.log_density(codes), rtol=1e-8)
    np.testing.assert_allclose(asnumpy(fitted.responsibilities(there)), exact.responsibilities(codes), atol=1e-8)


def check_theory(name, device):
    """A theorem's simulations run on the device, and agree with the theorem."""
    with simulations_on(device):
        (result,) = registry.run([name], quick=True)
    assert result.passed
