"""Everything on a device, by the strict stand-in: the values are NumPy's, nothing moves unasked, devices do not mix."""

import cuda_emulator
import device_parity as parity
import device_parity_codes as codes
import device_stand_in as stand_in
import numpy as np
import pytest
from device_suite import DeviceSuite
from training_tiny import PLAIN

from minirmae import ops
from minirmae.arrays import DeviceError, array_module, asarray, asnumpy, device_of
from minirmae.commands import main
from minirmae.devices import using
from minirmae.gradcheck import check
from minirmae.layers import Linear, Sequential
from minirmae.models.autoencoder import PRESETS
from minirmae.optimizers import Adam

DEVICE = "stand-in"
CONSTANTS = ("dropout", "mean_squared_error", "binary_cross_entropy_with_logits", "softmax_cross_entropy")
"""Ops whose case uploads a target, labels or a mask."""


class TestStandIn(DeviceSuite):
    device = DEVICE
    transferred = staticmethod(stand_in.transferred)


@pytest.mark.parametrize(
    "name", [name for name, case in parity.CASES.items() if hasattr(ops, case.covers) and case.point is not None]
)
def test_an_op_copies_nothing(name):
    case = parity.CASES[name]
    function, arrays = case.point(0)
    there = [asarray(array, DEVICE) for array in arrays]
    before = stand_in.transferred()
    y, backward = function(*there)
    gradients = backward(array_module(y).ones_like(y))
    assert stand_in.transferred() - before == (case.covers in CONSTANTS)
    for array in (y, *(gradients if isinstance(gradients, tuple) else (gradients,))):
        assert device_of(array) == "stand-in:0"


@pytest.mark.parametrize("name", ["two-layer", "matrix-completion", "matrix-sensing", "weight-decay", "end-to-end"])
def test_theory(name):
    before = stand_in.transferred()
    codes.check_theory(name, DEVICE)
    assert stand_in.transferred() > before


def model_and_batch(device="cpu"):
    rng = np.random.default_rng(0)
    model = Sequential(Linear(4, 3, rng=rng), Linear(3, 4, rng=rng)).to(device)
    return model, asarray(rng.random((2, 4), dtype=np.float32), device)


def test_a_host_array_given_to_a_model_on_a_device_is_an_error_that_says_what_to_call():
    (model, _), (_, x) = model_and_batch(DEVICE), model_and_batch()
    with pytest.raises(DeviceError) as raised:
        model(x)
    assert "x is on cpu and W on stand-in:0" in str(raised.value)
    assert "arrays.asarray(x, 'stand-in:0')" in str(raised.value)
    assert "model.to('cpu')" in str(raised.value)
    assert raised.value.__notes__ == ["in layer 0 (Linear) of Sequential"]


def test_a_device_array_given_to_a_model_on_the_host_is_an_error():
    (model, _), (_, x) = model_and_batch(), model_and_batch(DEVICE)
    with pytest.raises(DeviceError, match=r"x is on stand-in:0 and W on cpu"):
        model(x)


def test_two_cards_do_not_mix():
    model, _ = model_and_batch(DEVICE)
    _, x = model_and_batch("stand-in:1")
    with pytest.raises(DeviceError, match=r"x is on stand-in:1 and W on stand-in:0"):
        model(x)


def test_losses_masks_and_labels_on_another_device_are_errors():
    x = np.ones((2, 3))
    there, labels = asarray(x, DEVICE), np.zeros(2, dtype=int)
    with pytest.raises(DeviceError, match="prediction is on cpu and target on stand-in:0"):
        ops.mean_squared_error(x, there)
    with pytest.raises(DeviceError, match="logits is on stand-in:0 and labels on cpu"):
        ops.softmax_cross_entropy(there, labels)
    with pytest.raises(DeviceError, match="x is on stand-in:0 and keep on cpu"):
        ops.dropout(there, x > 0, 0.5)
    y, backward = ops.tanh(there)
    with pytest.raises(DeviceError, match="dy on cpu"):
        backward(asnumpy(y))


def test_an_optimizer_on_another_device_is_an_error_until_it_is_moved():
    model, _ = model_and_batch()
    optimizer = Adam()
    optimizer.step(model.values, model.grads)
    there = model.to(DEVICE)
    with pytest.raises(DeviceError, match="two devices"):
        optimizer.step(there.values, there.grads)
    optimizer.to(DEVICE)
    optimizer.step(there.values, there.grads)
    assert {device_of(moment) for moment in optimizer.moments.values()} == {"stand-in:0"}


def test_layers_on_two_devices_make_no_model():
    rng = np.random.default_rng(0)
    parts = Linear(4, 3, rng=rng), Linear(3, 4, rng=rng).to(DEVICE)
    with pytest.raises(DeviceError, match=r"must be on one device, got cpu, stand-in:0; move .* layer\.to\(device\)"):
        Sequential(*parts)
    assert Sequential(parts[0].to(DEVICE), parts[1]).device == "stand-in:0"


def test_to_is_a_copy_also_where_the_model_is_already():
    model, _ = model_and_batch()
    model.grads[...] = 1
    for device in ("cpu", DEVICE):
        moved = model.to(device)
        assert not asnumpy(moved.grads).any()
        moved.values[...] = 0
        assert asnumpy(model.values).any()
    assert model.to(DEVICE).astype(np.float64).device == "stand-in:0"


def test_the_second_device_is_worked_on_inside_using():
    with using("stand-in:1") as name:
        assert name == "stand-in:1"
        model, x = model_and_batch("stand-in:1")
        y, _ = model(x)
    assert device_of(y) == "stand-in:1"


@pytest.mark.parametrize("wrong", ["value", "gradient"])
def test_the_ladder_sees_what_is_wrong_on_the_device_only(wrong):
    def square(x):
        factor = 1 if device_of(x) == "cpu" else 1 + 1e-4
        y = x * x * (factor if wrong == "value" else 1)
        return y, lambda dy: 2 * x * dy * (factor if wrong == "gradient" else 1)

    x = np.random.default_rng(0).standard_normal(5)
    assert check(square, x).passed
    failed = [row for row in check(square, x, device=DEVICE).rows if row.verdict != "pass"]
    argument = {"value": "y", "gradient": "x"}[wrong]
    assert [(row.argument, row.method) for row in failed] == [
        (argument, f"{dtype} on stand-in:0") for dtype in ("float32", "float64")
    ]


def test_commands_take_a_device(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    run = tmp_path / "run"
    tiny = ["--latent", "4", "--steps", "2", "--batch-size", "2", "--training-images", "4", "--evaluation-images", "12"]
    with pytest.warns(RuntimeWarning, match="op by op"):
        assert main(["train", *tiny, "--optimizer", "sgd", "--out", str(run), "--device", DEVICE]) == 0
    assert main(["train", "--resume", str(run), "--steps", "3"]) == 0
    assert main(["spectrum", str(run), "--images", "12", "--device", DEVICE]) == 0
    assert main(["sample", str(run), "--images", "12", "--components", "2", "--device", DEVICE]) == 0
    assert main(["gradcheck", "--select", "conv2d", "--device", DEVICE, "--verbose"]) == 0
    assert "float64 on stand-in:0" in capsys.readouterr().out
    assert main(["theory", "two-layer", "--quick", "--device", DEVICE]) == 0


@pytest.mark.skipif(cuda_emulator.COMPILER is None, reason="no C++ compiler (g++ or clang++)")
def test_bench_times_the_captured_step_too(monkeypatch, capsys):
    monkeypatch.setattr(
        "minirmae.engines.cuda.replicas.CudaDevice", lambda place, precision: cuda_emulator.EmulatedDevice(precision)
    )
    monkeypatch.setattr("minirmae.report.benchmark._ROUND", 1)
    monkeypatch.setattr("minirmae.report.benchmark.product_rate", lambda *_, **__: 100.0)
    monkeypatch.setitem(PRESETS, "plain", PLAIN)
    small = ["--preset", "plain", "--batch-size", "1", "--repeats", "1"]
    assert main(["bench", *small, "--device", DEVICE]) == 0
    text = capsys.readouterr().out
    assert "stand-in:0" in text
    assert all(step in text for step in ("op by op", "captured, tf32", "captured, float32"))
    assert main(["bench", *small, "--device", DEVICE, "--dtype", "float64"]) == 0
    assert "captured" not in capsys.readouterr().out
