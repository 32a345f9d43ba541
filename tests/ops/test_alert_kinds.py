"""A kind of alert is declared once: what is opened has its severity, and what is closed is closed in one statement."""

from __future__ import annotations

import pytest
from pytest_django import DjangoAssertNumQueries

from ops.alerting.kinds import AlertKind, Closes, close_kinds
from ops.models import Alert, Severity
from ops.refs import Subject

pytestmark = pytest.mark.django_db

LATE = AlertKind("late", closes=Closes.ITSELF)
LOST = AlertKind("lost", closes=Closes.ITSELF, severity=Severity.CRITICAL)


def opened(kind: AlertKind, subject: str, *, severity: Severity | None = None) -> bool:
    return kind.open(
        Subject(subject), shop="paris.myshopify.com", title="t", meaning="m", action="a", severity=severity
    )


def still_open() -> set[tuple[str, str]]:
    return set(Alert.objects.filter(state=Alert.State.OPEN).values_list("kind", "subject"))


def test_an_alert_has_the_severity_of_its_kind_unless_it_is_said_otherwise() -> None:
    opened(LATE, "a")
    opened(LATE, "b", severity=Severity.CRITICAL)
    opened(LOST, "a")
    found = Alert.objects.order_by("id").values_list("kind", "subject", "severity", "shop")
    assert list(found) == [
        ("late", "a", "warning", "paris.myshopify.com"),
        ("late", "b", "critical", "paris.myshopify.com"),
        ("lost", "a", "critical", "paris.myshopify.com"),
    ]


def test_only_the_first_of_a_kind_and_subject_is_new() -> None:
    assert (opened(LATE, "a"), opened(LATE, "a"), opened(LATE, "b")) == (True, False, True)


def test_a_kind_is_closed_for_the_subjects_that_are_named(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    for subject in "abc":
        opened(LATE, subject)
        opened(LOST, subject)
    with django_assert_num_queries(1):
        assert LATE.close(Subject("a"), Subject("b"), Subject("unknown")) == 2
    assert still_open() == {("late", "c"), ("lost", "a"), ("lost", "b"), ("lost", "c")}
    assert [alert.subject for alert in LATE.opened()] == ["c"]


def test_several_kinds_are_closed_in_one_statement(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    for subject in "ab":
        opened(LATE, subject)
        opened(LOST, subject)
    with django_assert_num_queries(1):
        assert close_kinds([LATE, LOST], Subject("a")) == 2
    assert still_open() == {("late", "b"), ("lost", "b")}


def test_a_subject_that_is_too_long_to_be_stored_can_be_closed() -> None:
    opened(LATE, "a" * 400)
    assert LATE.close(Subject("a" * 400)) == 1
