import numpy as np
import pytest

from minirmae.layers import Linear, Sequential
from minirmae.measures.rank import effective_rank, product_spectrum
from minirmae.optimizers import SGD, Adam
from minirmae.theory.lab import autoencoder_training
from minirmae.theory.lab.autoencoder_landscape import autoencoder_problem
from minirmae.theory.lab.autoencoder_training import check_random_start, half_steps, rank_against_loss
from minirmae.theory.lab.dynamics import train
from minirmae.theory.lab.networks import end_to_end, factors_of, product, quadratic_loss


def verdicts(checks):
    return {check.name: check.passed for check in checks}


@pytest.mark.parametrize("seed", [3, 20])
def test_the_checks_pass_on_other_seeds(seed):
    checks = check_random_start(seed, quick=True)
    assert len(checks) == 3
    assert all(check.passed for check in checks), checks


def test_ranks_are_read_where_the_loss_first_falls_to_the_fractions():
    lam, fractions, rng = [1.0, 0.5, 0.25], (0.9, 0.5, 1e-8), np.random.default_rng(0)
    modes = autoencoder_problem(rng, lam)
    model = Sequential(*(Linear(3, 3, rng=rng, bias=False, dtype=np.float64) for _ in range(2)))
    objective = end_to_end(quadratic_loss(modes.covariance, modes.correlation, modes.target_power))
    path = train(model, objective, np.eye(3), SGD(0.05), 1500)
    matrices = product(factors_of(model, path.values))
    first = [np.argmax(path.losses <= fraction * path.losses[0]) for fraction in fractions]
    expected = [effective_rank(product_spectrum(matrices[step])) for step in first]
    ranks = rank_against_loss(0, SGD(0.05), np.random.default_rng(0), fractions, lam)
    np.testing.assert_allclose(ranks, expected, rtol=1e-12)
    assert 0 < first[0] < first[1] < first[2]
    assert ranks[-1] == pytest.approx(3.0, abs=1e-3)  # nothing left to learn: all modes at 1


def test_a_mode_that_is_not_learned_has_no_step():
    steps = half_steps(0, SGD(0.1), np.random.default_rng(0), [1.0, 1e-6], 0.1, steps=200)
    assert 0 < steps[0] < 200
    assert steps[1] == np.inf


def test_adam_also_falls_with_depth():
    ranks = [rank_against_loss(l, Adam(1e-3), np.random.default_rng(0))[0] for l in (0, 4)]
    assert ranks[1] < 0.6 * ranks[0]


def test_equal_variances_have_no_order_and_are_reported(monkeypatch):
    right = half_steps
    monkeypatch.setattr(
        autoencoder_training, "half_steps", lambda l, o, r, lam, *a, **k: right(l, o, r, [1.0, 1.0, 1.0], *a, **k)
    )
    found = verdicts(check_random_start(0, quick=True))
    assert not found["random start: steps between modes, smallest gap"]


def test_one_depth_for_all_has_no_fall_and_is_reported(monkeypatch):
    right = rank_against_loss
    monkeypatch.setattr(autoencoder_training, "rank_against_loss", lambda l, *rest: right(2, *rest))
    found = verdicts(check_random_start(0, quick=True))
    assert [passed for name, passed in found.items() if "rank" in name] == [False, False]


@pytest.mark.parametrize(
    "options, message",
    [
        ({"extra_layers": -1}, "extra_layers must be an integer of at least 0"),
        ({"fractions": ()}, "fractions must decrease"),
        ({"fractions": (0.3, 0.5)}, "fractions must decrease"),
        ({"fractions": (1.0,)}, "lie between 0 and 1"),
        ({"max_steps": 3}, "after 3 steps the loss is still"),
    ],
)
def test_what_cannot_be_read_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        rank_against_loss(**{"extra_layers": 1, "optimizer": SGD(0.05), "rng": np.random.default_rng(0), **options})
