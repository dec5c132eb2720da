"""The growing capacity: its schedule, the counter that survives a restart, both sides of the absolute value."""

import numpy as np
import pytest
from objective_check import check_objective, tiny_images, tiny_model
from objective_resume import final_states

from minirmae.objectives import recipe
from minirmae.objectives.evidence import terms

SETTINGS = {"gamma": 30.0, "capacity": 8.0, "steps": 4}


def at_step(step):
    model, settings = tiny_model("beta-vae-capacity", SETTINGS)
    model.bottleneck.parameters["step"].value[...] = step
    return model, recipe("beta-vae-capacity").objective(settings)


@pytest.mark.parametrize("step, side", [(0, 1), (1, -1), (4, -1)])
def test_the_loss_is_the_distance_from_the_capacity(step, side):
    model, objective = at_step(step)
    x = tiny_images()
    reconstruction, divergence, _ = terms(model, x, None)
    assert np.sign(divergence - 2 * step) == side
    loss, _ = objective(model, x, None)
    assert loss == pytest.approx(reconstruction + 30 * abs(divergence - 2 * step), rel=1e-14)


@pytest.mark.parametrize("step", [0, 4])
def test_the_gradient_of_every_parameter_is_exact_on_both_sides(step):
    def objective(model, x, rng):
        model.bottleneck.parameters["step"].value[...] = step
        return recipe("beta-vae-capacity").objective(SETTINGS)(model, x, rng)

    check_objective("beta-vae-capacity", SETTINGS, rng_seed=3, objective=objective).require()


def test_a_gradient_with_the_sign_of_the_other_side_is_caught():
    def objective(model, x, rng):
        counter = model.bottleneck.parameters["step"].value
        loss, _ = recipe("beta-vae-capacity").objective(SETTINGS)(model, x, rng)
        counter[...] = 4
        _, backward = recipe("beta-vae-capacity").objective(SETTINGS)(model, x, None)
        return loss, backward

    report = check_objective("beta-vae-capacity", SETTINGS, objective=objective, rungs=["derivative"])
    assert report.verdict == "fail"


def test_only_update_counts_and_it_stops_at_the_end_of_the_schedule():
    model, objective = at_step(0)
    counts = []
    for _ in range(6):
        _, backward = objective(model, tiny_images(), np.random.default_rng(0))
        backward()
        update = backward()
        counts.append(model.fixed.item())
        update()
    assert counts == [0, 1, 2, 3, 4, 4]


def test_a_run_resumes_with_its_count(tmp_path):
    whole, parts = final_states(tmp_path, "beta-vae-capacity", {"gamma": 30.0, "capacity": 8.0, "steps": 100})
    assert whole[1].item() == 7
    np.testing.assert_array_equal(whole[0], parts[0])
    np.testing.assert_array_equal(whole[1], parts[1])


@pytest.mark.parametrize("name, value", [("gamma", -1.0), ("capacity", -1.0), ("steps", 0), ("steps", 2**24 + 1)])
def test_bad_settings_are_refused(name, value):
    with pytest.raises(ValueError, match=f"objective beta-vae-capacity: {name} must be"):
        recipe("beta-vae-capacity").complete({name: value})
