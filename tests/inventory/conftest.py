from __future__ import annotations

from collections.abc import Iterator

import pytest
import responses


@pytest.fixture
def http() -> Iterator[responses.RequestsMock]:
    """Every HTTP call of the application is answered by what the test registers; an unexpected one fails."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock
