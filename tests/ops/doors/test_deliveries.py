"""The digest by which a delivery is recognised, and what is stored of its body."""

from __future__ import annotations

import hashlib
import json

from ops.doors import deliveries
from ops.queue.jobs import NewJob, Written
from ops.refs import LaneName


def test_the_digest_is_that_of_earlier_versions() -> None:
    """Rows of before an update must still tell a duplicate."""
    body = {"note": "ä", "id": 5, "lines": [{"b": 1.5, "a": None}]}
    whole = json.dumps(["orders/paid", "x", body], sort_keys=True, separators=(",", ":"))
    assert deliveries.digest(["orders/paid", "x"], body) == hashlib.sha256(whole.encode()).hexdigest()[:32]


def test_a_part_that_is_written_already_is_stored_as_it_is() -> None:
    job = NewJob("kind", key="k", lane=LaneName("lane"), payload={"shop": 1, "body": Written('{"a":1}')})
    assert json.loads(str(job._arguments()[4])) == {"shop": 1, "body": {"a": 1}}
