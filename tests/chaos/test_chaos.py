"""What can be judged without a run. The runs are test_short_run and `make chaos`."""

from __future__ import annotations

import json
from pathlib import Path

from tests.chaos.faults.fault_schedule import required_kinds, schedule_faults
from tests.chaos.outcome.report import Report, table
from tests.chaos.outcome.verdict import classify
from tests.chaos.people.plans import Fate, plan_orders


def test_a_seed_always_means_the_same_run() -> None:
    assert (
        plan_orders(50, rate=5, seed=3) == plan_orders(50, rate=5, seed=3) != plan_orders(50, rate=5, seed=4)
    )
    assert schedule_faults(60, seed=3) == schedule_faults(60, seed=3) != schedule_faults(60, seed=4)


def test_every_seed_and_every_length_has_the_same_kinds() -> None:
    kinds = required_kinds(schedule_faults(10, seed=1))
    assert all(
        required_kinds(schedule_faults(seconds, seed=seed)) == kinds
        for seed in range(20)
        for seconds in (40, 500)
    )
    assert len(kinds) > 50


def test_every_fate_is_among_fifty_orders() -> None:
    assert {planned.fate for planned in plan_orders(50, rate=5, seed=1)} == set(Fate)


def test_a_fault_that_never_happened_fails_the_run() -> None:
    met = Report(seed=1, orders=50, rate=4, faults={"beat dead": 1, "wms down": 0}, required=["beat dead"])
    assert met.passed
    met.required = ["beat dead", "wms down"]
    assert (met.passed, met.missing) == (False, ["wms down"])


def test_complaints_are_classified_by_what_they_mean() -> None:
    verdict = classify(
        [
            "#1 of d: the WMS should have {'MUG': 1}, and has {}",
            "#2 of d, parcel T1: 0 fulfilments instead of one",
            "north has two orders for wms:order:d:3:1",
            "#4 of d, parcel T2: 2 fulfilments instead of one",
            "#5 of d: the WMS should have {'MUG': 1}, and has {'MUG': 2}",
            "MUG at BER1: 4 at Shopify instead of 5",
        ]
    )
    assert (len(verdict.lost), len(verdict.doubled), len(verdict.wrong)) == (2, 2, 2)


def test_a_saved_report_can_be_read_again(tmp_path: Path) -> None:
    report = Report(seed=7, orders=50, rate=4, faults={"beat dead": 2}, seconds={"load": 30.0})
    report.save(tmp_path / "report.json")
    *_, line = table([json.loads((tmp_path / "report.json").read_text())])
    assert line.split()[:3] == ["7", "50", "2"]
    assert line.endswith("30 s  passed")
