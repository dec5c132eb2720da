"""The objective classify, and a run of it: trained, killed, resumed, measured, refused."""

import json

import numpy as np
import pytest
from training_tiny import timeless

from minirmae.commands import main
from minirmae.data import ArrayDataset, LabelledBatch
from minirmae.gradcheck import check
from minirmae.models.autoencoder import ModelConfig
from minirmae.models.classifier import lenet
from minirmae.objectives import recipe
from minirmae.objectives.classify import cross_entropy
from minirmae.runs import NonFiniteLoss, RunError, TrainingConfig, evaluate_classifier, open_run, train

RNG = np.random.default_rng(0)
BATCH = LabelledBatch(RNG.random((3, 16, 18, 2)), np.array([0, 2, 2]))
# The column of the bright pixel is the class.
COLUMNS = np.tile(np.arange(4), 15)
IMAGES = np.zeros((60, 32, 32, 1), np.uint8)
IMAGES[np.arange(60), RNG.integers(12, 20, 60), 8 + 5 * COLUMNS] = 255
BARS = ArrayDataset(IMAGES, COLUMNS, "bars")


def config(**changes):
    options = {"steps": 9, "batch_size": 8, "evaluation_images": 20, "learning_rate": 3e-3, "dtype": "float64"}
    options |= {"log_every": 2, "evaluate_every": 4, "checkpoint_every": 3}
    return TrainingConfig(ModelConfig.paper("mnist", linear_layers=0), "classify", **{**options, **changes})


def loss_function(objective, rng_seed=None):
    """The loss of a small classifier as a function of all its parameters, and their values."""
    model = lenet((16, 18, 2), 3, np.random.default_rng(1), np.float64)

    def function(values):
        copy = model.astype(values.dtype)
        copy.values[...] = values
        rng = None if rng_seed is None else np.random.default_rng(rng_seed)
        loss, loss_backward = objective(copy, LabelledBatch(BATCH.images.astype(values.dtype), BATCH.labels), rng)

        def backward(dloss):
            copy.grads[...] = 0
            loss_backward()
            return dloss * copy.grads

        return loss, backward

    return function, model.values.copy()


def test_the_gradient_of_every_parameter():
    function, values = loss_function(cross_entropy)
    assert check(function, values, name="classify").require().largest_error("derivative") <= 1e-12


def test_a_backward_that_forgets_the_labels_is_caught():
    def wrong(model, batch, rng):
        loss, _ = cross_entropy(model, batch, rng)
        return loss, cross_entropy(model, LabelledBatch(batch.images, batch.labels[::-1].copy()), rng)[1]

    function, values = loss_function(wrong)
    assert not check(function, values).passed


def test_pytorch_agrees_on_the_loss_and_its_gradient():
    torch = pytest.importorskip("torch")
    model = lenet((16, 18, 2), 3, np.random.default_rng(1), np.float64)
    loss, backward = cross_entropy(model, BATCH)
    backward()
    p = {name: torch.tensor(parameter.value, requires_grad=True) for name, parameter in model.named_parameters()}
    x = torch.tensor(BATCH.images).permute(0, 3, 1, 2)
    for number in (0, 3):
        W, b = p[f"body.{number}.W"], p[f"body.{number}.b"]
        x = torch.nn.functional.conv2d(x, W.permute(3, 2, 0, 1), b)
        x = torch.nn.functional.max_pool2d(torch.relu(x), 2)
    x = x.permute(0, 2, 3, 1).flatten(1)
    for number in (7, 9):
        x = torch.relu(x @ p[f"body.{number}.W"] + p[f"body.{number}.b"])
    expected = torch.nn.functional.cross_entropy(x @ p["head.W"] + p["head.b"], torch.tensor(BATCH.labels))
    expected.backward()
    assert float(loss) == pytest.approx(expected.item(), rel=1e-12)
    for name, parameter in model.named_parameters():
        np.testing.assert_allclose(parameter.grad, p[name].grad.numpy(), rtol=1e-6, atol=1e-12)


def test_a_classifier_learns_and_its_history_says_so(tmp_path):
    run = train(config(steps=120, evaluate_every=60), tmp_path / "run", training_set=BARS, evaluation_set=BARS)
    first, *_, last = run.history("evaluation")
    assert first["accuracy"] < 0.6
    assert last["accuracy"] == 1.0
    assert last["samples"] == 20
    assert last.keys() == {"kind", "step", "epoch", "seconds", "loss", "accuracy", "samples"}
    assert run.history("train")[-1].keys() >= {"loss", "learning_rate", "images_per_second"}
    classifier = run.classifier()
    np.testing.assert_array_equal(classifier.predict(BARS.batch(range(60), np.float64)), COLUMNS)
    result = evaluate_classifier(classifier, BARS, batch_size=7)
    assert (result.accuracy, result.samples) == (1.0, 60)
    logits = classifier.logits(BARS.batch(range(60), np.float64))
    expected = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(60), COLUMNS]
    assert result.loss == pytest.approx(expected.mean(), rel=1e-12)


def test_stopped_and_resumed_is_uninterrupted(tmp_path):
    sets = {"training_set": BARS, "evaluation_set": BARS}
    train(config(steps=5), tmp_path / "stopped", **sets)
    resumed = train(config(), tmp_path / "stopped", resume=True, **sets)
    whole = train(config(), tmp_path / "whole", **sets)
    np.testing.assert_array_equal(resumed.classifier().values, whole.classifier().values)
    last = timeless(whole.history("evaluation"))[-1]
    assert timeless(resumed.history("evaluation"))[-1] == last
    assert last["step"] == 9


def test_what_cannot_be_classified_writes_nothing(tmp_path):
    bare = ArrayDataset(IMAGES, name="bare")
    many = ArrayDataset(IMAGES, COLUMNS + 7, name="many")
    for kwargs, error, message in [
        ({"training_set": bare, "evaluation_set": BARS}, ValueError, "bare: has no labels"),
        ({"training_set": BARS, "evaluation_set": many}, ValueError, "labels must lie in 0..9, got 7 to 10"),
    ]:
        with pytest.raises(error, match=message):
            train(config(), tmp_path / "run", **kwargs)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("changes", [{"latent": 5}, {"linear_layers": 2}, {"linear_layers": 0, "variant": "relu"}])
def test_options_of_autoencoders_are_refused(tmp_path, changes):
    model = ModelConfig.paper("mnist", **{"linear_layers": 0, **changes})
    with pytest.raises(ValueError, match="leave out latent, linear_layers and variant"):
        train(TrainingConfig(model, "classify", steps=1), tmp_path / "run", training_set=BARS, evaluation_set=BARS)
    assert not (tmp_path / "run").exists()


def test_settings_out_of_range():
    with pytest.raises(ValueError, match="classes must be an integer of at least 2, got 1"):
        recipe("classify").complete({"classes": 1})


def test_a_diverged_classifier_is_named():
    model = lenet((32, 32, 1), 4, np.random.default_rng(0))
    model.values[...] = np.nan
    with pytest.raises(NonFiniteLoss, match="the loss on bars is nan"):
        evaluate_classifier(model, BARS)


def test_the_command_line(tmp_path, capsys):
    """Trains, says its accuracy, and is refused by the commands that need codes."""
    data, out = tmp_path / "bars.npz", tmp_path / "run"
    np.savez(data, x_train=IMAGES, y_train=COLUMNS, x_test=IMAGES[:30], y_test=COLUMNS[:30])
    command = ["train", "--objective", "classify", "--preset", "mnist", "--data", str(data), "--out", str(out)]
    assert main([*command, "--steps", "4", "--set", "classes=4", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["model"] == "LeNet"
    assert 0 <= result["evaluation"]["accuracy"] <= 1
    assert main(["train", "--resume", str(out)]) == 0
    assert "step 4, evaluation loss" in (text := capsys.readouterr().out)
    assert "% of 30 images" in text
    assert open_run(out).config.schedule == "cosine"
    for name in ("spectrum", "sample"):
        assert main([name, str(out)]) == 2
        assert "trained a classifier, which has no codes" in capsys.readouterr().err
    assert main([*command[:-1], str(tmp_path / "other"), "--steps", "4", "--set", "classes=3"]) == 2
    assert "labels must lie in 0..2" in capsys.readouterr().err


def test_an_autoencoder_is_no_classifier(tmp_path):
    small = TrainingConfig(ModelConfig.paper("mnist", 2, 0), steps=1, batch_size=2, evaluation_images=2)
    run = train(small, tmp_path / "run", training_set=BARS, evaluation_set=BARS)
    with pytest.raises(RunError, match="trained an autoencoder, not a classifier; train one with"):
        run.classifier()
