"""The one gate for foreign text: what it takes, what it cleans, what it refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from pydantic import TypeAdapter, ValidationError

from ops.errors import Permanent
from ops.models import Job
from ops.text import untrusted
from ops.text.masking import mask_text
from ops.text.untrusted import Unreadable
from tests.builders import make_job


@pytest.mark.parametrize(
    "value", ["a\x00b", "\ud800", ["x", {"k\x00": "\udc00"}], {"é\x00": [{"n": "\x00"}]}]
)
@pytest.mark.parametrize("escaped", [True, False])
def test_no_text_and_no_key_keeps_what_postgres_refuses(value: Any, escaped: bool) -> None:
    raw = json.dumps({"v": value}, ensure_ascii=escaped).encode("utf-8", "replace")
    text = json.dumps(untrusted.parse(raw, deepest=20), ensure_ascii=False)
    assert "\x00" not in text
    assert "\\u0000" not in text
    text.encode("utf-8")


def test_a_byte_order_mark_is_no_part_of_the_body() -> None:
    assert untrusted.parse_object(b'\xef\xbb\xbf{"a": 1}', deepest=20) == {"a": 1}
    assert untrusted.parse_answer('{"a": "\x7f"}'.encode("utf-16")) == {"a": "\x7f"}


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"[" * 21 + b"]" * 21, "deep"),
        (b"[" * 100_000, "deep"),
        (b'{"a":' * 900 + b"1" + b"}" * 900, "deep"),
        (b"[NaN]", "NaN"),
        (b"[1e999]", "range"),
        (b"[" + b"9" * 5000 + b"]", "JSON"),
        (b"\xff", "UTF-8"),
        (b"", "JSON"),
    ],
)
def test_what_cannot_be_read_or_stored_is_refused_with_the_reason(raw: bytes, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        untrusted.parse(raw, deepest=20)


def test_twenty_levels_are_taken() -> None:
    assert untrusted.parse(b"[" * 20 + b"]" * 20, deepest=20)


def test_no_error_s_words_can_be_refused_by_the_database() -> None:
    assert str(Permanent("it\x00 said \ud83d")) == "it said ?"
    assert len(mask_text("a" * 10_000_000 + "@")) < 10_000


@pytest.mark.django_db
@pytest.mark.parametrize("depth", [50, 300, 900, 970, 3000])
def test_the_page_of_a_job_with_a_deep_body_is_shown(admin_client: Client, depth: int) -> None:
    job = make_job()
    with connection.cursor() as cursor:
        deep = '{"a":' * depth + "1" + "}" * depth
        cursor.execute("UPDATE ops_job SET payload = %s::jsonb WHERE id = %s", [deep, job.id])
    assert admin_client.get(f"/admin/ops/job/{job.id}/change/").status_code == 200
    assert Job.objects.get(id=job.id).payload


def _misfits(shape: type, value: object, **naming: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(shape).validate_python(value)
    return untrusted.misfits(refused.value, **naming)


def test_a_misfit_is_named_by_its_place_and_quotes_no_value() -> None:
    said = _misfits(dict[str, list[int]], {"ages": [1, "Ada"]})
    assert said.startswith("ages.1: Input should be a valid integer")
    assert "Ada" not in said
    assert _misfits(dict[str, int], {"return_": "x"}, name=str.upper).startswith("RETURN_: ")


def test_a_value_that_fits_nowhere_is_named_as_a_whole() -> None:
    assert _misfits(dict[str, int], "x", whole="body").startswith("body: Input should be a valid dictionary")


def test_of_many_misfits_the_first_five_are_named() -> None:
    assert _misfits(list[int], ["x"] * 9).count("; ") == untrusted.MISFITS_NAMED - 1
