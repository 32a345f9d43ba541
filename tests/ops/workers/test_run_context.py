"""What belongs to a whole run: made once, found anywhere within it, and ended with it."""

from __future__ import annotations

from types import TracebackType

import pytest

from ops.models import Job, Lane
from ops.queue import jobs
from ops.refs import LaneName
from ops.workers import run_context
from tests.drain import drain
from tests.ops.job_stub import BATCH_KIND, KIND, acts


class Held:
    """Notes how it ended."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    def __enter__(self) -> Held:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        self.ended.append(kind.__name__ if kind else "well")


def held() -> Held:
    run = run_context.current()
    assert run
    return run.attached(Held, Held)


def test_what_is_attached_is_made_once_and_ends_with_the_run() -> None:
    with run_context.part("a"):
        first = held()
        assert held() is first
        assert first.ended == []
    assert first.ended == ["well"]


def test_it_hears_of_the_error_that_ends_the_run() -> None:
    found: list[Held] = []

    def fail() -> None:
        found.append(held())
        raise KeyError

    with pytest.raises(KeyError), run_context.part("a"):
        fail()
    assert [each.ended for each in found] == [["KeyError"]]


def test_a_part_shares_nothing_with_the_run_around_it() -> None:
    with run_context.part("whole"):
        outer = held()
        with run_context.part("part") as part:
            assert (run_context.current(), part.name) == (part, "part")
            inner = held()
            assert inner is not outer
        assert (inner.ended, outer.ended) == (["well"], [])
        assert held() is outer


def test_outside_of_a_run_there_is_none() -> None:
    with run_context.part("a"):
        pass
    assert run_context.current() is None


@pytest.mark.django_db
@pytest.mark.parametrize(("kind", "size"), [(KIND, 1), (BATCH_KIND, 3)])
def test_a_run_of_jobs_is_named_by_the_first_one_and_knows_how_many_there_are(kind: str, size: int) -> None:
    seen: list[tuple[str, str, int]] = []

    def look(_: list[Job]) -> None:
        run = run_context.current()
        assert run
        seen.append((run.name, run.kind, run.size))

    for key in ("a", "b", "c"):
        jobs.NewJob(kind, key=key, lane=LaneName("wms:north")).enqueue()
    Lane.objects.update(concurrency=1)
    acts.extend([look] * 3)
    drain()
    assert (seen[0], len(seen)) == (("a", kind, size), 3 // size)
