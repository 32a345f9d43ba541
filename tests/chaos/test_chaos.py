"""What of the chaos can be judged without a run; the run itself is `make chaos`."""

from __future__ import annotations

from tests.chaos.customers import wishes
from tests.chaos.verdict import sort_out
from tests.chaos.weather import SHOPIFY_FAULTS, WMS_FAULTS, forecast


def test_a_seed_always_means_the_same_run() -> None:
    assert wishes(50, rate=5, seed=3) == wishes(50, rate=5, seed=3) != wishes(50, rate=5, seed=4)
    assert forecast(60, seed=3) == forecast(60, seed=3) != forecast(60, seed=4)


def test_even_a_short_run_meets_every_kind_of_fault() -> None:
    faults = forecast(10, seed=1)
    assert {fault.detail["fault"] for fault in faults if fault.kind == "wms"} == set(WMS_FAULTS)
    assert {
        (fault.detail["match"], fault.detail["fault"]) for fault in faults if fault.kind == "shopify"
    } == set(SHOPIFY_FAULTS)
    assert {fault.kind for fault in faults} >= {
        "kill",
        "terminate",
        "kill_in_call",
        "kill_child",
        "no_beat",
        "flush",
    }
    assert all(0 <= fault.at <= 10 for fault in faults)


def test_complaints_are_sorted_by_what_they_mean() -> None:
    verdict = sort_out(
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
