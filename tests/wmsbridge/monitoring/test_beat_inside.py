"""A worker with beat inside (`--beat`) ends when its beat has died, so that both are started again."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from celery.exceptions import WorkerShutdown
from celery.worker import state

from wmsbridge.monitoring.workers import BeatInside


@pytest.fixture(autouse=True)
def nothing_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "should_stop", None)


def _look(*, beat: object) -> None:
    worker = SimpleNamespace(hostname="worker@one", beat=beat)
    BeatInside(worker).act(worker)
    state.maybe_shutdown()


def test_a_worker_goes_on_while_its_beat_lives_or_is_elsewhere() -> None:
    _look(beat=SimpleNamespace(is_alive=lambda: True))
    _look(beat=None)


def test_a_worker_whose_beat_has_died_ends() -> None:
    with pytest.raises(WorkerShutdown):
        _look(beat=SimpleNamespace(is_alive=lambda: False))
