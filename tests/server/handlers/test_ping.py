from __future__ import annotations

import pytest

from tests.server.peer import application, connected


@pytest.mark.checklist(244)
async def test_a_ping_without_a_payload_is_answered_by_a_pong() -> None:
    async with connected(application()) as peer:
        frame = await peer.ask("ping", request_id="req-126")
    assert frame == {"type": "pong", "request_id": "req-126", "data": {}}
