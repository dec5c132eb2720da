"""Vector quantisation: nearest codewords, perplexity, moving averages and dead codewords."""

import numpy as np
import pytest

from minirmae.objectives import vector_quantizer
from minirmae.objectives.vector_quantizer import VectorQuantizer, nearest, perplexity


def quantizer(n=6, codewords=5, width=2, **options):
    return VectorQuantizer(n, codewords, width, rng=np.random.default_rng(0), dtype=np.float64, **options)


def test_nearest_is_what_all_distances_say_whatever_the_block(monkeypatch):
    rng = np.random.default_rng(1)
    vectors, codebook = rng.normal(size=(103, 3)), rng.normal(size=(7, 3))
    distances = np.linalg.norm(vectors[:, None] - codebook, axis=2)
    np.testing.assert_array_equal(nearest(vectors, codebook), distances.argmin(axis=1))
    monkeypatch.setattr(vector_quantizer, "BLOCK", 30)
    np.testing.assert_array_equal(nearest(vectors, codebook), distances.argmin(axis=1))
    np.testing.assert_array_equal(nearest(vectors + 1e-20j, codebook + 0j), distances.argmin(axis=1))


def test_nearest_takes_the_first_of_equals_and_refuses_what_does_not_fit():
    twins = np.array([[5.0], [1.0], [1.0]])
    assert nearest(np.array([[1.2]]), twins).tolist() == [1]
    with pytest.raises(ValueError, match="vectors are 2 wide, but codewords 1"):
        nearest(np.zeros((1, 2)), twins)
    with pytest.raises(TypeError, match="share one dtype"):
        nearest(np.zeros((1, 1), np.float32), twins)


@pytest.mark.parametrize("counts", [[4, 4, 4, 4], [1, 0, 0, 0], [1, 2, 3, 0]])
def test_perplexity_is_the_exponential_of_the_entropy(counts):
    p = np.array([c for c in counts if c]) / sum(counts)
    indices = np.repeat(np.arange(4), counts)
    assert perplexity(indices, 4) == pytest.approx(np.exp(-(p * np.log(p)).sum()), rel=1e-14)


def test_perplexity_refuses_what_names_no_codeword():
    for indices in (np.array([0, 4]), np.array([-1]), np.array([], dtype=int)):
        with pytest.raises(ValueError, match=r"indices must lie in \[0, 4\)"):
            perplexity(indices, 4)


def test_a_code_is_made_of_codewords_and_its_backward_is_the_identity():
    layer = quantizer()
    codebook = layer.parameters["codebook"].value
    codebook[...] = np.random.default_rng(2).normal(size=codebook.shape)
    h = np.random.default_rng(3).normal(size=(4, 6))
    z, backward = layer(h)
    np.testing.assert_array_equal(z, codebook[layer.indices(h)].reshape(4, 6))
    np.testing.assert_array_equal(layer(z)[0], z)
    dz = np.random.default_rng(4).normal(size=(4, 6))
    np.testing.assert_array_equal(backward(dz), dz)
    assert not layer.grads.any()


def test_a_width_must_divide_the_code():
    with pytest.raises(ValueError, match="code of 6 numbers cannot be cut into groups of 4"):
        quantizer(width=4)


def test_moving_averages_are_those_of_the_paper():
    layer = quantizer(moving_average=True)
    assert layer.values.size == 0
    value = {name: p.value for name, p in layer.parameters.items()}
    N, m = np.ones(5), value["codebook"].copy()
    rng = np.random.default_rng(5)
    for _ in range(4):
        h = rng.normal(size=(3, 6)) * 0.2
        indices = layer.indices(h)
        one_hot = np.eye(5)[indices.ravel()]
        N = 0.9 * N + 0.1 * one_hot.sum(axis=0)
        m = 0.9 * m + 0.1 * one_hot.T @ h.reshape(-1, 2)
        layer.follow(h, indices, 0.9)
        np.testing.assert_allclose(value["counts"], N, rtol=1e-14)
        np.testing.assert_allclose(value["codebook"], m / N[:, None], rtol=1e-12)


def test_an_average_that_nobody_chooses_neither_moves_nor_divides_by_zero():
    layer = VectorQuantizer(2, 3, 2, rng=np.random.default_rng(0), moving_average=True)
    codebook = layer.parameters["codebook"].value
    before = codebook[1:].copy()
    h, indices = np.ones((1, 2), np.float32), np.array([[0]])
    for _ in range(500):
        layer.follow(h, indices, 0.5)
    np.testing.assert_array_equal(codebook[1:], before)
    np.testing.assert_allclose(codebook[0], 1)


@pytest.mark.parametrize("moving_average", [False, True])
def test_a_codeword_unused_for_long_enough_takes_an_encoder_output(moving_average):
    layer = quantizer(moving_average=moving_average)
    value = {name: p.value for name, p in layer.parameters.items()}
    before = value["codebook"].copy()
    h = np.random.default_rng(6).normal(size=(2, 6))
    indices = np.array([[0, 1, 0], [1, 2, 0]])
    order = np.array([4, 2, 0, 1, 3])
    for step in range(2):
        layer.reseed(h, indices, order, 3)
        assert value["unused"].tolist() == [0, 0, 0, step + 1, step + 1]
        np.testing.assert_array_equal(value["codebook"], before)
    layer.reseed(h, np.array([[0, 1, 3]]), order, 3)
    np.testing.assert_array_equal(value["codebook"][4], h.reshape(-1, 2)[4])
    np.testing.assert_array_equal(value["codebook"][:4], before[:4])
    assert value["unused"].tolist() == [0, 0, 1, 0, 0]
    if moving_average:
        np.testing.assert_array_equal(value["sums"][4], value["codebook"][4])
        assert value["counts"][4] == 1


def test_no_codeword_is_replaced_after_0_steps():
    layer = quantizer()
    before = layer.values.copy()
    for _ in range(5):
        layer.reseed(np.ones((1, 6)), np.zeros((1, 3), int), np.arange(5), 0)
    np.testing.assert_array_equal(layer.values, before)
