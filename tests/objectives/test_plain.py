"""IRMAE with weight decay: the plain loss, and the training that its paper chose."""

import numpy as np
import pytest
from objective_check import check_objective, tiny_images, tiny_model

from minirmae.commands import main
from minirmae.models.autoencoder import ModelConfig
from minirmae.objectives import recipe
from minirmae.optimizers import AdamW
from minirmae.runs import TrainingConfig
from minirmae.runs.build import make_model, make_optimizer

RECIPE = recipe("irmae-wd")


def test_the_gradient_of_every_parameter_is_exact():
    check_objective("irmae-wd").require()


def test_the_training_is_the_papers():
    model = ModelConfig.paper("shapes", latent=4, linear_layers=RECIPE.linear_layers)
    config = TrainingConfig(model, objective="irmae-wd", steps=1, **RECIPE.training)
    optimizer = make_optimizer(config, 1)
    assert isinstance(optimizer, AdamW)
    assert (optimizer.learning_rate, optimizer.weight_decay) == (1e-3, 1e-6)
    assert make_model(config).bottleneck.parameters["W"].shape == (4, 4, 4)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_another_optimizer_is_refused_and_nothing_is_written(optimizer, tmp_path, capsys):
    refused = f"objective irmae-wd is .*: optimizer must be adamw, got {optimizer}; choose adamw, as `minirmae train`"
    with pytest.raises(ValueError, match=refused):
        TrainingConfig(ModelConfig.paper("shapes"), objective="irmae-wd", steps=1, optimizer=optimizer)
    run = tmp_path / "run"
    assert main(["train", "--objective", "irmae-wd", "--optimizer", optimizer, "--out", str(run)]) == 2
    assert f"optimizer must be adamw, got {optimizer}" in capsys.readouterr().err
    assert not run.exists()


def test_rate_and_decay_are_free():
    chosen = {**RECIPE.training, "learning_rate": 1e-4, "weight_decay": 1e-2}
    config = TrainingConfig(ModelConfig.paper("shapes"), objective="irmae-wd", steps=1, **chosen)
    assert (config.learning_rate, config.weight_decay) == (1e-4, 1e-2)


def test_the_loss_is_that_of_plain_irmae():
    model, _ = tiny_model("irmae-wd")
    x = tiny_images()
    assert RECIPE.objective({})(model, x, None)[0] == recipe("plain").objective({})(model, x, None)[0]


def test_one_step_decays_the_weights_beside_adams_direction():
    model, _ = tiny_model("irmae-wd")
    before = model.values.copy()
    _, backward = RECIPE.objective({})(model, tiny_images(), None)
    backward()
    AdamW(1e-3, weight_decay=1e-6).step(model.values, model.grads)
    # Adam's first step is the rate times the gradient's sign, but for epsilon.
    direction = model.grads / (np.abs(model.grads) + 1e-8)
    np.testing.assert_allclose(model.values, before * (1 - 1e-9) - 1e-3 * direction, rtol=1e-12, atol=1e-15)


def test_it_has_no_settings():
    with pytest.raises(ValueError, match="unknown setting decay; known are: none"):
        RECIPE.complete({"decay": 1.0})
