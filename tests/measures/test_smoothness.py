"""Roughness at the values that its definition promises."""

import numpy as np
import pytest

from minirmae.measures.smoothness import interpolation_roughness, path_roughness


def test_a_cross_fade_is_perfectly_smooth():
    a, b = np.random.default_rng(0).random((2, 4, 1, 8, 8, 1))
    t = np.linspace(0, 1, 11)[:, None, None, None]
    assert path_roughness(a * (1 - t) + b * t) < 1e-28


def test_independent_steps_give_two_and_independent_images_three():
    noise = np.random.default_rng(1).standard_normal((4000, 11, 20))
    assert path_roughness(np.cumsum(noise, axis=1)) == pytest.approx(2, abs=0.02)
    assert path_roughness(noise) == pytest.approx(3, abs=0.02)
    jumping = np.eye(11)[None]
    assert path_roughness(jumping) == pytest.approx(3, abs=1e-12)


def test_flicker_gives_four_and_nothing_moving_gives_nothing():
    assert path_roughness((np.arange(12.0) % 2)[None, :, None]) == 4
    assert path_roughness(np.full((3, 5, 2, 2, 1), 0.7)) == 0


def test_neither_scale_nor_offset_matters_and_all_lines_count_together():
    paths = np.random.default_rng(2).standard_normal((6, 11, 3))
    expected = path_roughness(paths)
    assert path_roughness(5 * paths + 2) == pytest.approx(expected, rel=1e-12)
    v, a = np.diff(paths, axis=1), paths[:, 2:] - 2 * paths[:, 1:-1] + paths[:, :-2]
    assert expected == pytest.approx((a**2).mean() / (v**2).mean(), rel=1e-12)
    assert np.isclose(expected, np.mean([path_roughness(path[None]) for path in paths])) == np.False_


def test_the_line_is_the_paper_s():
    seen = []

    def decode(z):
        seen.append(z)
        return (z[:, 0] ** 2)[:, None]

    z0, z1 = np.array([[1.0], [2.0]]), np.array([[0.0], [0.0]])
    rough = interpolation_roughness(decode, z0, z1)
    np.testing.assert_allclose(seen[0].ravel(), np.concatenate([np.linspace(0, 1, 11), np.linspace(0, 2, 11)]))
    # x = t^2 in steps of 1/10: each second difference is 0.02, the steps are 0.01, 0.03, ... 0.19.
    assert rough == pytest.approx(0.02**2 / np.mean(np.arange(0.01, 0.2, 0.02) ** 2), rel=1e-12)


def test_single_precision_is_summed_in_double():
    paths = np.random.default_rng(3).random((3, 11, 50))
    assert path_roughness(paths.astype(np.float32)) == pytest.approx(path_roughness(paths), rel=1e-6)


def test_what_is_not_a_path_is_refused():
    with pytest.raises(ValueError, match="at least 3 points, got"):
        path_roughness(np.zeros((1, 2, 5)))
    with pytest.raises(ValueError, match="paths must be finite"):
        path_roughness(np.full((1, 3, 5), np.nan))
    with pytest.raises(TypeError, match="paths must hold floats"):
        path_roughness(np.zeros((1, 3, 5), dtype=int))
    with pytest.raises(ValueError, match="z0 and z1 must have one shape"):
        interpolation_roughness(lambda z: z, np.zeros((2, 3)), np.zeros((2, 4)))
