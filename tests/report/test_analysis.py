"""Codes and ranks of a run against the model applied by hand."""

from dataclasses import replace

import numpy as np
import pytest

from minirmae.measures.rank import covariance_spectrum
from minirmae.models.autoencoder import ModelConfig
from minirmae.report.analysis import analyse, label, rank_table, unique_labels
from minirmae.report.gallery import picture
from minirmae.runs import TrainingConfig, train


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    config = TrainingConfig(
        ModelConfig("shapes", 5, 2), steps=4, batch_size=4, training_images=16, evaluation_images=20, seed=3
    )
    return train(config, tmp_path_factory.mktemp("analysis") / "run")


def test_analysis_is_the_model_applied_by_hand(run):
    a = analyse(run, images=300)
    model = run.model()
    x = a.dataset.batch(np.arange(300), np.float32)
    assert len(a.dataset) == 300
    np.testing.assert_allclose(a.codes, model.encode(x), rtol=1e-4, atol=1e-6)
    assert a.loss == pytest.approx(float(np.mean((model.reconstruct(x) - x) ** 2)), rel=1e-5)
    np.testing.assert_allclose(a.ranks.eigenvalues, covariance_spectrum(model.encode(x)), rtol=1e-3)
    product = np.linalg.svd(model.bottleneck.collapse(), compute_uv=False)
    np.testing.assert_allclose(a.product, product, rtol=1e-5)
    assert a.step == 4


def test_the_product_is_counted_as_a_covariance_is(run):
    """A singular value of 0.02 is a variance of 0.0004: below the threshold of 0.001."""
    a = replace(analyse(run, images=50), product=np.array([1.0, 0.5, 0.02, 0.0, 0.0]))
    assert rank_table(["a"], [a]).rows[0][-1] == "2"
    assert rank_table(["a"], [replace(a, product=None)]).rows[0][-1] == ""


def test_labels(run):
    a = analyse(run, images=50)
    assert label(run) == "IRMAE (l = 2)"
    assert unique_labels([a]) == ["IRMAE (l = 2)"]
    assert unique_labels([a, a]) == ["IRMAE (l = 2), run"] * 2


def test_pictures_need_a_known_kind(run):
    with pytest.raises(ValueError, match=r"kind must be one of reconstruction, .*gmm; got 'vae'"):
        picture(analyse(run, images=50), "vae", np.random.default_rng(0))
