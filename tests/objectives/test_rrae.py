"""The rank reduction autoencoder: the gradient of a truncated SVD, and the basis that training keeps.

An SVD has no complex step; `svd_oracle.py` says what stands in for it when the arguments are complex.
"""

import numpy as np
import pytest
from objective_check import check_objective, tiny_images, tiny_model
from objective_resume import final_states
from svd_oracle import with_complex_step

from minirmae.gradcheck import RUNGS, check
from minirmae.objectives import recipe
from minirmae.objectives.rrae import RankReduction, truncated_svd

RNG = np.random.default_rng(0)
# The oracle has no backward, so the second derivative is left to the test of the symmetry below.
FIRST_ORDER = [rung for rung in RUNGS if rung != "second order"]


def with_values(values, shape=(4, 4)):
    """A matrix with these singular values and random vectors."""
    U, V = (np.linalg.qr(RNG.normal(size=(size, len(values))))[0] for size in shape)
    return (U * values) @ V.T


CASES = {
    "apart": (with_values([4.0, 2.0, 1.0, 0.5]), 2),
    "wide": (with_values([4.0, 2.0, 1.0], (3, 6)), 2),
    "tall": (with_values([4.0, 2.0, 1.0], (7, 3)), 1),
    "kept ones repeat": (with_values([3.0, 3.0, 1.0, 0.5]), 2),
    "dropped ones repeat": (with_values([3.0, 2.0, 1.0, 1.0]), 2),
    "both repeat": (with_values([3.0, 3.0, 1.0, 1.0], (6, 5)), 2),
    "dropped ones vanish": (with_values([3.0, 2.0], (5, 4)), 2),
    "all kept": (with_values([3.0, 2.0, 1.0], (3, 5)), 3),
    "more than all": (with_values([3.0, 2.0, 1.0], (3, 5)), 9),
    "a small gap": (with_values([3.0, 2.0, 1.99, 1.0]), 2),
}


@pytest.mark.parametrize("case", CASES)
def test_the_gradient_is_exact(case):
    Z, k = CASES[case]
    report = check(lambda Z: with_complex_step(Z, k), Z, rungs=FIRST_ORDER).require()
    assert {row.method for row in report.rows if row.rung == "derivative"} == {"complex step"}


@pytest.mark.parametrize("case", CASES)
def test_the_value_is_the_best_approximation(case):
    Z, k = CASES[case]
    Y, _ = truncated_svd(Z, k)
    s = np.linalg.svd(Z, compute_uv=False)
    assert np.linalg.matrix_rank(Y) <= k
    # Eckart and Young: the error of the best approximation is what was dropped.
    assert np.linalg.norm(Z - Y) == pytest.approx(np.linalg.norm(s[k:]), rel=1e-12, abs=1e-13)


@pytest.mark.parametrize("case", CASES)
def test_the_backward_is_self_adjoint(case):
    Z, k = CASES[case]
    _, backward = truncated_svd(Z, k)
    A, B = RNG.normal(size=Z.shape), RNG.normal(size=Z.shape)
    scale = np.linalg.norm(A) * np.linalg.norm(backward(B))
    assert abs(np.sum(A * backward(B)) - np.sum(B * backward(A))) < 1e-13 * scale


@pytest.mark.parametrize("gap", [0.0, 1e-15])
def test_a_kept_value_that_equals_a_dropped_one_gives_a_finite_gradient(gap):
    Z = with_values([3.0, 2.0, 2.0 + gap, 1.0])
    _, backward = truncated_svd(Z, 2)
    for _ in range(5):
        # The pairs that are apart stretch at most by s_i^2 / (s_i^2 - s_j^2) + s_i s_j / (...) = s_i / (s_i - s_j).
        assert np.linalg.norm(backward(dY := RNG.normal(size=Z.shape))) <= 3 * np.linalg.norm(dY)


@pytest.mark.parametrize("Z", [np.zeros((3, 4)), np.eye(4), np.ones((3, 4))])
def test_degenerate_matrices_have_finite_gradients_no_longer_than_what_came(Z):
    _, backward = truncated_svd(Z, 2)
    dY = RNG.normal(size=Z.shape)
    assert np.linalg.norm(backward(dY)) <= np.linalg.norm(dY) * (1 + 1e-14)


def frozen_basis(Z, k, dY):
    """The gradient that forgets that the basis turns."""
    V = np.linalg.svd(Z)[2][:k].T
    return dY @ V @ V.T


def tangent_only(Z, k, dY):
    """The gradient as if all dropped values were 0."""
    U, _, Vt = np.linalg.svd(Z)
    P, Q = U[:, :k] @ U[:, :k].T, Vt[:k].T @ Vt[:k]
    return P @ dY + dY @ Q - P @ dY @ Q


@pytest.mark.parametrize("wrong", [frozen_basis, tangent_only])
def test_a_gradient_that_lacks_a_term_is_caught(wrong):
    Z, k = CASES["apart"]

    def sabotaged(Z):
        return with_complex_step(Z, k)[0], lambda dY: wrong(Z, k, dY)

    assert check(sabotaged, Z, rungs=["derivative"]).verdict == "fail"


def test_pytorch_agrees_where_values_differ():
    torch = pytest.importorskip("torch")
    Z, k = CASES["apart"]
    tensor = torch.tensor(Z, requires_grad=True)
    U, s, Vh = torch.linalg.svd(tensor)
    dY = RNG.normal(size=Z.shape)
    ((U[:, :k] * s[:k]) @ Vh[:k]).backward(torch.tensor(dY))
    np.testing.assert_allclose(truncated_svd(Z, k)[1](dY), tensor.grad.numpy(), rtol=1e-6, atol=1e-12)


def test_what_cannot_be_used_is_refused():
    with pytest.raises(TypeError, match="truncated_svd: Z must hold real floats, got complex128"):
        truncated_svd(np.eye(2, dtype=complex), 1)
    with pytest.raises(ValueError, match="truncated_svd: k must be an integer of at least 1, got 0"):
        truncated_svd(np.eye(2), 0)
    with pytest.raises(ValueError, match="truncated_svd: Z must have 2 axes"):
        truncated_svd(np.zeros(3), 1)
    with pytest.raises(ValueError, match="dy must have shape"):
        truncated_svd(np.eye(2), 1)[1](np.zeros((2, 3)))


SETTINGS = {"rank": 2, "decay": 0.8}


def trained_steps(count):
    """The tiny model after `update` has seen that many batches, its weights unchanged."""
    model, settings = tiny_model("rrae", SETTINGS)
    objective = recipe("rrae").objective(settings)
    for seed in range(count):
        _, backward = objective(model, tiny_images(5, seed), np.random.default_rng(seed))
        backward()()
    return model


@pytest.mark.parametrize("rank", [1, 2, 4])
def test_the_gradient_of_every_parameter_is_exact(rank, monkeypatch):
    monkeypatch.setattr("minirmae.objectives.rrae.truncated_svd", with_complex_step)
    # Of a complex evaluation only the value is asked for, so the oracle needs no backward.
    report = check_objective("rrae", {"rank": rank}, rng_seed=0, rungs=FIRST_ORDER).require()
    assert {row.method for row in report.rows if row.rung == "derivative"} == {"complex step"}


def test_the_gradient_with_the_stored_basis_is_exact():
    projector = trained_steps(4).fixed.copy()

    def objective(model, x, rng):
        model.fixed[...] = projector
        return recipe("rrae").objective(SETTINGS)(model, x, rng)

    check_objective("rrae", SETTINGS, objective=objective).require()


def test_training_decodes_codes_of_rank_k_without_their_mean_removed():
    model, settings = tiny_model("rrae", SETTINGS)
    x = tiny_images(6)
    loss, _ = recipe("rrae").objective(settings)(model, x, np.random.default_rng(0))
    U, s, Vt = np.linalg.svd(model.encode_hidden(x), full_matrices=False)
    expected = np.mean((model.decode((U[:, :2] * s[:2]) @ Vt[:2]) - x) ** 2)
    assert loss == pytest.approx(expected, rel=1e-12)


def test_the_stored_basis_is_that_of_the_batches_bases_side_by_side():
    model, count = trained_steps(5), 5
    bases = []
    for seed in range(count):
        Vt = np.linalg.svd(model.encode_hidden(tiny_images(5, seed)), full_matrices=False)[2][:2]
        bases.append(Vt.T * np.sqrt(0.8 ** (count - 1 - seed)))
    B = np.linalg.svd(np.hstack(bases))[0][:, :2]
    np.testing.assert_allclose(model.bottleneck.projection(), B @ B.T, atol=1e-12)


def test_evaluation_projects_each_image_on_the_stored_basis():
    model, x = trained_steps(3), tiny_images(8, 99)
    z = model.encode(x)
    assert np.linalg.matrix_rank(z) == 2
    np.testing.assert_allclose(model.encode(x[3:4]), z[3:4], atol=1e-15)
    np.testing.assert_allclose(model.bottleneck(z)[0], z, atol=1e-14)
    loss, _ = recipe("rrae").objective(SETTINGS)(model, x, None)
    assert loss == pytest.approx(np.mean((model.decode(z) - x) ** 2), rel=1e-14)


def test_before_the_first_step_codes_pass_as_they_are():
    model, x = trained_steps(0), tiny_images()
    np.testing.assert_allclose(model.encode(x), model.encode_hidden(x), rtol=1e-15)


def test_only_update_changes_the_basis():
    model, settings = tiny_model("rrae", SETTINGS)
    objective = recipe("rrae").objective(settings)
    _, backward = objective(model, tiny_images(), np.random.default_rng(0))
    backward()
    update = backward()
    assert not model.fixed.any()
    update()
    assert model.fixed.any()


def test_a_rank_beyond_the_code_or_the_batch_cuts_nothing():
    layer = RankReduction(3, 9, 0.5, np.float64)
    h = np.random.default_rng(0).normal(size=(2, 3))
    np.testing.assert_array_equal(layer(h, np.random.default_rng(0))[0], h)
    layer.remember(h)
    layer.remember(np.random.default_rng(1).normal(size=(2, 3)))
    np.testing.assert_allclose(layer(h)[0], h, atol=1e-14)


def test_a_run_resumes_with_its_basis(tmp_path):
    whole, parts = final_states(tmp_path, "rrae", SETTINGS)
    assert whole[1].any()
    np.testing.assert_array_equal(whole[0], parts[0])
    np.testing.assert_array_equal(whole[1], parts[1])


@pytest.mark.parametrize("name, value", [("rank", 0), ("decay", -0.1), ("decay", 1.0)])
def test_bad_settings_are_refused(name, value):
    with pytest.raises(ValueError, match=f"objective rrae: {name} must be"):
        recipe("rrae").complete({name: value})


def test_a_model_of_another_recipe_is_refused():
    model, _ = tiny_model("plain")
    with pytest.raises(TypeError, match="rank_reduction: the bottleneck must be a RankReduction, got LinearStack"):
        recipe("rrae").objective(SETTINGS)(model, tiny_images(), None)


def test_linear_layers_are_refused():
    with pytest.raises(ValueError, match="linear_layers must be 0"):
        tiny_model("rrae", linear_layers=1)
