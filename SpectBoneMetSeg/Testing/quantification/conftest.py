"""The made-up body for the tests of what is quantified."""

import pytest
from support.bodies import make_body


@pytest.fixture(scope="session")
def body():
    return make_body
