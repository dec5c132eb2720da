"""The tests that every device passes: a subclass whose name begins with `Test` names the device."""

import device_parity as parity
import device_parity_codes as codes
import pytest

from minirmae.objectives import NAMES


class DeviceSuite:
    """Attributes of the subclass: `device`, and `transferred`, the copies so far either way if they can be counted."""

    @staticmethod
    def transferred():
        return 0

    @pytest.mark.parametrize("name", parity.CASES)
    def test_gradient_ladder_level_5(self, name):
        parity.check_case(name, self.device)

    @pytest.mark.parametrize("name", parity.OPTIMIZERS)
    def test_training_steps_of_every_layer_and_optimizer(self, name):
        parity.check_optimizer(name, self.device, self.transferred)

    @pytest.mark.parametrize(("preset", "linear_layers", "variant"), parity.MODELS)
    def test_a_training_step_of_every_model(self, preset, linear_layers, variant):
        parity.check_model(preset, linear_layers, variant, self.device, self.transferred)

    @pytest.mark.parametrize("name", NAMES)
    def test_a_training_step_of_every_objective(self, name):
        parity.check_objective(name, self.device, self.transferred)

    def test_dropout_draws_on_the_host(self):
        parity.check_dropout(self.device, self.transferred)

    def test_fit(self):
        parity.check_fit(self.device, self.transferred)

    def test_device_dataset(self):
        parity.check_dataset(self.device)

    def test_labels_out_of_range_are_not_waited_for(self):
        parity.check_labels(self.device)

    def test_checkpoints_know_no_device(self, tmp_path):
        parity.check_checkpoint(self.device, tmp_path)

    def test_a_run_changes_devices(self, tmp_path):
        pytest.importorskip("matplotlib")
        codes.check_run(self.device, tmp_path)

    def test_rank_measures(self):
        codes.check_rank(self.device)

    def test_sampling(self):
        codes.check_sampling(self.device)
