"""The LeNet-type classifier: its gradients, its sizes, and its batches."""

import numpy as np
import pytest

from minirmae.gradcheck import check_model
from minirmae.models.classifier import FEATURES, lenet


def test_all_gradients_together():
    model = lenet((18, 16, 2), 3, np.random.default_rng(0))
    report = check_model(model, np.random.default_rng(1).random((2, 18, 16, 2)), per_argument=True)
    assert report.require().largest_error("derivative") <= 1e-12
    assert {"body.0.W", "body.3.b", "body.9.W", "head.b"} <= {row.argument for row in report.rows}


@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3), (64, 64, 3), (16, 20, 1)])
def test_every_image_size_and_nothing_depends_on_the_batches(shape):
    model = lenet(shape, 7, np.random.default_rng(0))
    x = np.random.default_rng(1).random((5, *shape), dtype=np.float32)
    features, logits = model.features(x, batch_size=2), model.logits(x, batch_size=3)
    assert features.shape == (5, FEATURES)
    assert (features >= 0).all()
    assert logits.shape == (5, *model.output_shape(shape)) == (5, model.classes)
    np.testing.assert_allclose(model.features(x), features, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(model.head(features)[0], logits, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(model.predict(x), logits.argmax(axis=1))


def test_what_cannot_be_built():
    with pytest.raises(ValueError, match="classes must be an integer of at least 2"):
        lenet((32, 32, 1), 1, np.random.default_rng(0))
    with pytest.raises(ValueError, match="at least 16 x 16 pixels, got 15 x 40"):
        lenet((15, 40, 1), 10, np.random.default_rng(0))
