"""Drawn geometries of convolutions: rectangular, with remainders, empty batches included."""

from hypothesis import strategies as st

pairs = st.tuples


@st.composite
def geometries(draw):
    """A random convolution: input, kernel, stride and padding, rectangular, remainders included."""
    kernel = draw(pairs(st.integers(1, 4), st.integers(1, 4)))
    stride = draw(pairs(st.integers(1, 3), st.integers(1, 3)))
    padding = draw(pairs(st.integers(0, 2), st.integers(0, 2)))
    size = tuple(max(1, k - 2 * p) + draw(st.integers(0, 4)) for k, p in zip(kernel, padding, strict=True))
    channels = draw(pairs(st.integers(1, 3), st.integers(1, 3)))
    return draw(st.integers(0, 3)), size, channels, kernel, stride, padding
