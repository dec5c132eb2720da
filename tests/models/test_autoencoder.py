"""The presets, layer by layer, and their training against PyTorch's own modules."""

import numpy as np
import pytest

from minirmae.layers import LinearStack
from minirmae.models.autoencoder import PRESETS, Autoencoder, ModelConfig, build
from minirmae.objectives import reconstruction
from minirmae.optimizers import Adam


def small(variant="linear", layers=3, dtype=np.float64):
    return build(ModelConfig("shapes", 6, layers, variant), np.random.default_rng(0), dtype)


def images(count, dtype=np.float64, preset="shapes"):
    return np.random.default_rng(1).random((count, *PRESETS[preset].image)).astype(dtype)


@pytest.mark.parametrize("preset, count", [("shapes", 1_449_955), ("mnist", 2_172_129)])
def test_parameter_counts(preset, count):
    assert build(ModelConfig.paper(preset), np.random.default_rng(0)).values.size == count


@pytest.mark.parametrize("preset", PRESETS)
def test_output_has_the_images_shape(preset):
    p = PRESETS[preset]
    if preset == "celeba":  # 65 million weights: the shape is checked here, the values by `minirmae gradcheck`
        model = Autoencoder(*(f(8, np.random.default_rng(0), np.float32) for f in (p.encoder, _stack, p.decoder)))
        assert model.output_shape(p.image) == p.image
    else:
        model = build(ModelConfig.paper(preset), np.random.default_rng(0))
        assert model.output_shape(p.image) == p.image
        assert model(images(2, np.float32, preset))[0].shape == (2, *p.image)


def _stack(n, rng, dtype):
    return LinearStack(n, 1, rng=rng, dtype=dtype)


def test_celeba_matches_the_papers_table():
    p = PRESETS["celeba"]
    rng = np.random.default_rng(0)
    encoder, decoder = p.encoder(2, rng, np.float32), p.decoder(2, rng, np.float32)
    shapes = [layer.output_shape for layer in encoder.children.values()]
    shape, seen = p.image, []
    for output_shape in shapes:
        shape = output_shape(shape)
        seen.append(shape)
    assert seen[::2] == [(32, 32, 128), (16, 16, 256), (8, 8, 512), (4, 4, 1024), (16384,)]
    kinds = [type(layer).__name__ for layer in decoder.children.values()]
    up = ["ConvTranspose2d", "ReLU"]
    assert kinds == ["Linear", "Reshape", *up * 3, "ConvTranspose2d", "Tanh"]


def test_codes_before_and_after_the_linear_layers():
    model = small()
    x = images(5)
    h, z = model.encode_hidden(x), model.encode(x, batch_size=2)
    assert h.shape == z.shape == (5, 6)
    np.testing.assert_allclose(z, h @ model.bottleneck.collapse(), rtol=1e-10)
    np.testing.assert_allclose(model.decode(z), model.reconstruct(x), rtol=1e-10)
    np.testing.assert_allclose(model(x)[0], model.reconstruct(x, batch_size=3), rtol=1e-10)


def test_l_0_is_the_plain_autoencoder():
    model = small(layers=0)
    x = images(3)
    np.testing.assert_array_equal(model.encode(x), model.encode_hidden(x))


def test_collapsed_is_the_same_function():
    model = small(dtype=np.float64)
    collapsed = model.collapsed()
    assert collapsed.bottleneck.layers == 1
    x = images(3)
    np.testing.assert_allclose(collapsed(x)[0], model(x)[0], rtol=1e-10)
    with pytest.raises(TypeError, match="only a linear bottleneck"):
        small("relu").collapsed()


def test_variants():
    plain, fixed, shared, relu = (small(v) for v in ("linear", "fixed", "shared", "relu"))
    assert plain.values.size == fixed.values.size + 3 * 36 == shared.values.size + 2 * 36 == relu.values.size
    assert fixed.fixed.size == 3 * 36
    assert (relu.encode(images(4)) >= 0).all()
    before = fixed.fixed.copy()
    _, backward = reconstruction(fixed, images(2))
    backward()
    Adam(0.1).step(fixed.values, fixed.grads)
    np.testing.assert_array_equal(fixed.fixed, before)


def test_one_seed_gives_one_encoder_and_one_decoder():
    plain, irmae = small(layers=0), small(layers=3)
    np.testing.assert_array_equal(plain.encoder.values, irmae.encoder.values)
    np.testing.assert_array_equal(plain.decoder.values, irmae.decoder.values)


def test_bad_configurations_are_named():
    with pytest.raises(ValueError, match="preset must be one of shapes, mnist, celeba; got 'cifar'"):
        ModelConfig.paper("cifar")
    with pytest.raises(ValueError, match="variant must be one of linear, fixed, shared, relu; got 'tied'"):
        ModelConfig.paper("mnist", variant="tied")
    with pytest.raises(ValueError, match="latent must be an integer of at least 1, got 0"):
        ModelConfig("mnist", 0, 1)
    with pytest.raises(ValueError, match="linear_layers must be an integer of at least 0, got -1"):
        ModelConfig("mnist", 8, -1)
    with pytest.raises(ValueError, match=r"x has 1 channels but the kernel .* takes 3"):
        small()(images(1, preset="mnist"))


@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 1e-4), (np.float64, 1e-9)])
def test_fifty_steps_follow_pytorch(dtype, tolerance):
    torch = pytest.importorskip("torch", reason="PyTorch is the peer of this test; it is not installed")
    from torch_twin import images_first, twin

    torch.set_num_threads(1)  # two libraries' spinning threads on few cores slow both down
    model = build(ModelConfig.paper("mnist"), np.random.default_rng(0), dtype)
    peer = twin(model, PRESETS["mnist"].image)
    assert sum(p.numel() for p in peer.parameters()) == model.values.size
    batches = np.random.default_rng(1).random((50, 4, 32, 32, 1)).astype(dtype)

    optimizer = Adam(1e-4)
    ours = []
    for x in batches:
        model.grads[...] = 0
        loss, backward = reconstruction(model, x)
        backward()
        optimizer.step(model.values, model.grads)
        ours.append(float(loss))

    peer_optimizer = torch.optim.Adam(peer.parameters(), lr=1e-4)
    theirs = []
    for x in map(images_first, batches):
        peer_optimizer.zero_grad()
        peer_loss = torch.nn.functional.mse_loss(peer(x), x)
        peer_loss.backward()
        peer_optimizer.step()
        theirs.append(peer_loss.item())

    left = 1 / 12  # what the mean of this noise leaves
    assert theirs[-1] - left < 0.2 * (theirs[0] - left)  # it learned
    np.testing.assert_allclose(ours, theirs, rtol=tolerance)
