"""A short run of the chaos: every kind of fault, and nothing lost, doubled or wrong. `make chaos` is the long one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.world import ROOT

ORDERS, RATE, SEED = 200, 5, 1
LONGEST = 1800.0
"""Seconds. Only a machine that is busy with something else needs more than a fraction of it."""


@pytest.mark.e2e
def test_two_hundred_orders_under_every_fault(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.chaos", "--orders", str(ORDERS), "--rate", str(RATE)]
    command += ["--seeds", str(SEED), "--keep", str(tmp_path)]
    with (tmp_path / "said").open("w+") as said:
        ended = subprocess.run(
            command, cwd=ROOT, stdout=said, stderr=said, timeout=LONGEST, check=False
        ).returncode
        said.seek(0)
        assert ended == 0, said.read()
