"""The same on a card: `pytest -m gpu`. Skipped, with the reason, where there is none."""

import device_parity as parity
import device_parity_codes as codes
import numpy as np
import pytest
from card import REASON
from device_suite import DeviceSuite

from minirmae.arrays import DeviceError, asarray, asnumpy, device_of
from minirmae.commands import main
from minirmae.devices import using, wait_for
from minirmae.optimizers import Adam
from minirmae.runs import fit
from minirmae.theory import registry

DEVICE = "cuda"
pytestmark = [pytest.mark.gpu, pytest.mark.skipif(REASON is not None, reason=str(REASON))]


class TestCard(DeviceSuite):
    device = DEVICE


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
