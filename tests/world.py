"""The two ends of the wire as real HTTP servers: one sandbox process for the test run, emptied for every test."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

ROOT = Path(__file__).resolve().parent.parent
Json = dict[str, Any]


class End:
    """The control API of one simulated system."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.http = requests.Session()

    def post(self, path: str, body: Json | list[Json] | None = None) -> Any:
        """POST below /_sandbox; fails on anything but 2xx."""
        answer = self.http.post(f"{self.root}/_sandbox{path}", json=body or {}, timeout=10)
        assert answer.ok, f"{path}: {answer.status_code} {answer.text[:500]}"
        return answer.json()

    def get(self, path: str) -> Any:
        """GET below /_sandbox."""
        answer = self.http.get(f"{self.root}/_sandbox{path}", timeout=10)
        assert answer.ok, f"{path}: {answer.status_code} {answer.text[:500]}"
        return answer.json()

    def fault(self, match: str, fault: str, **rule: Any) -> None:
        """Arm a fault for the next matching call (`count` for more)."""
        self.post("/faults", {"match": match, "fault": fault, **rule})

    def heal(self) -> None:
        """Disarm all faults."""
        assert self.http.delete(f"{self.root}/_sandbox/faults", timeout=10).ok


class Sandbox:
    """Both simulated systems."""

    def __init__(self, ready: Json) -> None:
        self.shopify = End(ready["shopify"])
        self.wms = End(ready["wms"])

    def reset(self) -> None:
        """Forget everything."""
        self.shopify.post("/reset")
        self.wms.post("/reset")


@contextmanager
def sandbox_process() -> Iterator[Sandbox]:
    """Start `python -m sandbox` on free ports; stopped at the end."""
    command = [sys.executable, "-m", "sandbox", "--shopify-port", "0", "--wms-port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Sandbox(json.loads(process.stdout.readline()))
        finally:
            process.terminate()
            process.wait(timeout=10)
