"""The same on a card: `pytest -m gpu`. Skipped, with the reason, where there is none."""

import device_parity as parity
import device_parity_codes as codes
import numpy as np
import pytest

from minirmae.backend import DeviceError, asarray, asnumpy, device_of, require_device, using, wait_for
from minirmae.commands import main
from minirmae.objectives import NAMES
from minirmae.optimizers import Adam
from minirmae.theory import registry
from minirmae.training import fit

DEVICE = "cuda"


def _reason():
    """Why there is no card to test on; None if there is one."""
    try:
        require_device(DEVICE)
    except DeviceError as error:
        return str(error)
    return None


REASON = _reason()
pytestmark = [pytest.mark.gpu, pytest.mark.skipif(REASON is not None, reason=str(REASON))]


@pytest.mark.parametrize("name", parity.CASES)
def test_gradient_ladder_level_5(name):
    parity.check_case(name, DEVICE)


@pytest.mark.parametrize("name", parity.OPTIMIZERS)
def test_training_steps_of_every_layer_and_optimizer(name):
    parity.check_optimizer(name, DEVICE)


@pytest.mark.parametrize(("preset", "linear_layers", "variant"), parity.MODELS)
def test_a_training_step_of_every_model(preset, linear_layers, variant):
    parity.check_model(preset, linear_layers, variant, DEVICE)


@pytest.mark.parametrize("name", NAMES)
def test_a_training_step_of_every_objective(name):
    parity.check_objective(name, DEVICE)


def test_dropout_draws_on_the_host():
    parity.check_dropout(DEVICE)


def test_fit():
    parity.check_fit(DEVICE)


def test_device_dataset():
    parity.check_dataset(DEVICE)


def test_labels_out_of_range_are_not_waited_for():
    parity.check_labels(DEVICE)


def test_checkpoints_know_no_device(tmp_path):
    parity.check_checkpoint(DEVICE, tmp_path)


def test_a_run_changes_devices(tmp_path):
    pytest.importorskip("matplotlib")
    codes.check_run(DEVICE, tmp_path)


def test_rank_measures():
    codes.check_rank(DEVICE)


def test_sampling():
    codes.check_sampling(DEVICE)


@pytest.mark.parametrize("name", registry.ENTRIES)
def test_theory(name):
    codes.check_theory(name, DEVICE)


def test_two_fits_of_one_seed_give_the_same_bits():
    values = []
    for _ in range(2):
        model, data, _ = parity.tiny_problem()
        model = model.to(DEVICE)
        fit(model, data, Adam(1e-2), steps=20, batch_size=6)
        values.append(asnumpy(model.values))
    assert np.array_equal(*values)


def test_200_steps_of_single_precision_follow_the_processor():
    losses = []
    for device in ("cpu", DEVICE):
        model, data, _ = parity.tiny_problem()
        losses.append(fit(model.astype(np.float32).to(device), data, Adam(1e-3), steps=200, batch_size=6))
    # Training amplifies rounding: 200 steps may multiply an error of eps by a few thousand.
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-3)


def test_out_of_memory_is_a_clear_error_and_leaves_the_process_usable():
    import cupy

    with (
        pytest.raises(DeviceError, match=r"cuda:0: the device's memory does not suffice .*smaller batch"),
        using(DEVICE),
    ):
        cupy.zeros(1 << 50, dtype=np.uint8)
    x = asarray(np.ones(3), DEVICE)
    wait_for(DEVICE)
    assert asnumpy(x + x).tolist() == [2, 2, 2]
    assert device_of(x) == "cuda:0"


def test_the_command_line(tmp_path, capsys):
    run = tmp_path / "run"
    tiny = ["--latent", "4", "--steps", "2", "--batch-size", "2", "--training-images", "4", "--evaluation-images", "12"]
    assert main(["train", *tiny, "--out", str(run), "--device", DEVICE]) == 0
    assert main(["gradcheck", "--select", "conv2d", "--device", DEVICE]) == 0
    assert main(["train", *tiny, "--out", str(tmp_path / "other"), "--device", "cuda:99"]) == 2
    assert "cuda:99: there are" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()
