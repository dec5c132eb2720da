"""The gradient checker: for your functions, your models and your tests.

    >>> import numpy as np
    >>> from minirmae.gradcheck import assert_gradients
    >>> def cube(x):
    ...     return x**3, lambda dy: 3 * x**2 * dy
    >>> report = assert_gradients(cube, np.linspace(-1, 1, 5))

`check` and `check_model` return a report, `assert_gradients` raises it. The
other modules are for those who want a part: `sabotage` to test a test,
`strategies` (needs hypothesis) to draw convolution geometries, `suite` for
everything in this library.
"""

from minirmae.gradcheck.adjoint import dot_test
from minirmae.gradcheck.check import RUNGS, assert_gradients, check
from minirmae.gradcheck.model import check_model
from minirmae.gradcheck.report import Report, Row

__all__ = ["RUNGS", "Report", "Row", "assert_gradients", "check", "check_model", "dot_test"]
