"""Bodies in chunks under a WSGI server of one's own choice: read with a bound, or refused with the reason."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.http import HttpRequest
from django.test import RequestFactory

from ops.doors.signed_webhooks import Refusal, bounded_body


def _request(body: bytes, **environ: Any) -> HttpRequest:
    request = RequestFactory().generic("POST", "/webhooks/shopify/", b"", HTTP_TRANSFER_ENCODING="chunked")
    request.META.pop("CONTENT_LENGTH", None)
    request.META.update({"wsgi.input": io.BytesIO(body), **environ})
    return request


def test_chunks_are_read_whole_where_the_server_tells_their_end() -> None:
    assert bounded_body(_request(b"x" * 100_000, **{"wsgi.input_terminated": True})) == b"x" * 100_000


@pytest.mark.parametrize(("terminated", "size", "status"), [(True, 1001, 413), (False, 5, 411)])
def test_chunks_without_bound_or_end_are_refused(
    settings: Any, terminated: bool, size: int, status: int
) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    with pytest.raises(Refusal) as refused:
        bounded_body(_request(b"x" * size, **{"wsgi.input_terminated": terminated}))
    assert refused.value.status == status
