"""Products of matrices in pieces."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirmae.engines.cpu import products
from minirmae.engines.cpu.products import product

sizes = st.integers(1, 12)


@given(sizes, sizes, sizes, st.sampled_from([(), (1,), (3,)]), st.integers(1, 40), st.booleans(), st.booleans())
def test_pieces_give_what_the_whole_gives(M, K, N, stack, limit, transposed, given_room):
    rng = np.random.default_rng(0)
    a = rng.normal(size=(*stack, K, M)).swapaxes(-1, -2) if transposed else rng.normal(size=(*stack, M, K))
    b = rng.normal(size=(*stack, K, N))
    out = np.full((*stack, M, N), np.nan) if given_room else None
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"LIMIT": limit, "ROWS": 1, "COLUMNS": 1}.items():
            patch.setattr(products, name, value)
        result = product(a, b, out)
    assert out is None or result is out
    np.testing.assert_allclose(result, a @ b, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize(
    ("shapes", "pieces"),
    [
        (((4096, 48), (48, 32)), (8, 512, 48)),  # a convolution's windows: rows
        (((9, 256, 64), (9, 64, 128)), (9, 4, 64, 64)),  # nine products at once
        (((16, 128), (128, 8192)), (1, 16, 128)),  # few rows, many columns: columns
        (((256, 1024), (1024, 128)), (256, 1024)),  # large in every direction: whole
        (((64, 64), (64, 64)), (64, 64)),  # small as it is
    ],
)
def test_the_pieces_that_a_product_is_made_in(shapes, pieces, monkeypatch):
    seen = []

    def matmul(a, b, out=None):
        seen.append(a.shape)

    library = SimpleNamespace(empty=np.empty, matmul=matmul)
    monkeypatch.setattr(products, "array_module", lambda a: library)
    monkeypatch.setattr(products, "np", library)
    product(*(np.zeros(shape, np.float32) for shape in shapes))
    assert seen == [pieces]
