"""The measurement of big tables, in small: most of what it would find at ten million rows is a scan here already."""

from __future__ import annotations

import pytest
from django.db import connection

from bench.tables import measuring, plans, statements
from bench.tables.rows import filling
from bench.tables.rows.inserting import Sizes

pytestmark = pytest.mark.django_db


@pytest.fixture
def filled(monkeypatch: pytest.MonkeyPatch) -> Sizes:
    """Tables of some thousand rows, with statistics."""
    sizes = Sizes(jobs=8_000)
    filling.fill(sizes)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # once for all rows, not again in each explanation
        cursor.execute("ANALYZE")
        cursor.execute("SET LOCAL random_page_cost = 1.1")  # so that an index is worth it in so small a table
    monkeypatch.setattr(plans, "BIG", 1_900)
    return sizes


def test_nothing_that_runs_all_day_scans_a_table_that_grows_with_traffic(filled: Sizes) -> None:
    findings = measuring.explain_all(statements.background_calls, filled, tries=1)
    assert len(findings) > 45
    assert {finding.call.name: finding.scanned for finding in findings if finding.scanned} == {}
