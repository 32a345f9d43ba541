"""The environment: a word that is no value of its type stops the start."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured

from wmsbridge.configuration.environment import Environment

env = Environment()


@pytest.mark.parametrize(
    ("text", "meant"),
    [("1", True), ("True", True), ("on ", True), ("0", False), ("No", False), ("off", False)],
)
def test_a_boolean_is_read(monkeypatch: pytest.MonkeyPatch, text: str, meant: bool) -> None:
    monkeypatch.setenv("HTTPS", text)
    assert env.bool("HTTPS", default=not meant) is meant


@pytest.mark.parametrize("text", ["ture", "maybe", "2", "-"])
def test_a_word_that_is_neither_true_nor_false_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("HTTPS", text)
    with pytest.raises(ImproperlyConfigured, match=f"HTTPS: '{text}' is neither true nor false"):
        env.bool("HTTPS", default=True)


def test_what_is_no_number_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEP_JOBS_DAYS", "a month")
    with pytest.raises(ImproperlyConfigured, match=r"KEEP_JOBS_DAYS: .*a month"):
        env.int("KEEP_JOBS_DAYS", default=30)
    with pytest.raises(ImproperlyConfigured, match=r"KEEP_JOBS_DAYS: .*a month"):
        env.float("KEEP_JOBS_DAYS")


def test_blank_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS", " ")
    assert env.bool("HTTPS", default=True) is True
    assert env.int("HTTPS", default=3) == 3
    assert env.int("NOT_SET_AT_ALL", default=4) == 4
    with pytest.raises(ImproperlyConfigured):
        env.str("NOT_SET_AT_ALL")
