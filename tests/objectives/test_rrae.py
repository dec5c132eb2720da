"""The rank reduction autoencoder: its gradient through the batch's SVD, and the basis that it keeps.

An SVD has no complex step; `svd_oracle.py` says what stands in for it when the arguments are complex.
"""

import numpy as np
import pytest
from objective_check import check_objective, tiny_images, tiny_model
from objective_resume import final_states
from svd_oracle import with_complex_step

from minirmae.gradcheck import RUNGS
from minirmae.objectives import recipe
from minirmae.objectives.rrae import RankReduction

FIRST_ORDER = [rung for rung in RUNGS if rung != "second order"]
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
