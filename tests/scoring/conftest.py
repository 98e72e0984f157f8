"""What the tests of the score share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from smart_train.scoring.processor_arithmetic import CHOICES, NATIVE, cut_integer_products, forced_arithmetic


@pytest.fixture(params=CHOICES)
def either_arithmetic(request: pytest.FixtureRequest) -> Iterator[str]:
    """The test runs twice: narrow states multiplied as they are stored, and widened, whatever this processor has."""
    if request.param == NATIVE and (cut := cut_integer_products()):
        pytest.skip(cut)
    with forced_arithmetic(request.param):
        yield request.param
