"""For the tests of the receiver: its server ends at once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module", autouse=True)
def a_server_that_ends_at_once() -> Iterator[None]:
    """Let pynetdicom's server look every 10 ms, not every half second, whether it has to end."""
    from pynetdicom.transport import AssociationServer

    serve_forever = AssociationServer.serve_forever
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AssociationServer, "serve_forever", lambda server: serve_forever(server, 0.01))
        yield
