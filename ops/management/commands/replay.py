"""`replay`: lists dead letters, and makes them due again."""

from __future__ import annotations

import difflib
from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.db.models import QuerySet

from ops.models import Job, Lane
from ops.queue import dead_letters
from ops.text.masking import mask_text
from ops.workers import handlers

MOST_LISTED = 100
SELECTING = ("id", "kind", "lane", "error_class", "subject", "since", "until", "all")


class Command(BaseCommand):
    """Lists dead letters. With a selection (or --all) it replays them; --dry-run only lists what would be replayed.

    Replayed jobs run at the pace of their lanes, as all other work does.
    """

    help = "List dead letters, or replay those chosen. Several conditions narrow the choice."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the selection."""
        parser.add_argument("--id", type=int, nargs="+", default=[], metavar="N", help="job numbers")
        parser.add_argument("--kind", help="job kind, e.g. fulfillment.submit")
        parser.add_argument("--lane", help="lane, e.g. wms:north")
        parser.add_argument("--error-class", metavar="C", help="e.g. Permanent, Transient, WorkerLost")
        parser.add_argument(
            "--subject", metavar="S", help="beginning of the subject: order:1:500, order:1:, wms:north:"
        )
        parser.add_argument("--since", type=_time, metavar="T", help="dead since then or later; UTC")
        parser.add_argument("--until", type=_time, metavar="T", help="dead before then; UTC")
        parser.add_argument("--all", action="store_true", help="every dead letter")
        parser.add_argument("--limit", type=int, metavar="N", help="at most this many, the oldest first")
        parser.add_argument("--by", metavar="USER", help="your name in the console, for the jobs' history")
        parser.add_argument("--dry-run", action="store_true", help="list them, change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        """List or replay. Raises CommandError if a condition names something unknown, the limit is not positive, or
        there is no such user."""
        if options["limit"] is not None and options["limit"] < 1:
            raise CommandError("--limit must be 1 or more")
        by = _user_id(options["by"]) if options["by"] else None
        _require_known(options)
        chosen = self._chosen(options)
        if options["dry_run"] or not any(options[name] for name in SELECTING):
            self._list(chosen)
            return
        done = dead_letters.replay_chosen(chosen, by=by, most=options["limit"])
        self.stdout.write(f"{done.count} dead letters are due again.")
        if done.more:
            self.stdout.write("There are more of them: the limit was reached, or a job was being changed.")

    def _chosen(self, options: dict[str, Any]) -> QuerySet[Job]:
        """The dead letters that all conditions select. Raises CommandError if an id is none of them."""
        conditions = {
            "kind": options["kind"],
            "lane_id": options["lane"],
            "error_class": options["error_class"],
            "subject__startswith": options["subject"],
            "finished_at__gte": options["since"],
            "finished_at__lt": options["until"],
        }
        given = {name: value for name, value in conditions.items() if value is not None}
        chosen = Job.objects.filter(state=Job.State.DEAD, **given)
        if options["id"]:
            chosen = chosen.filter(id__in=options["id"])
            missing = set(options["id"]) - set(chosen.values_list("id", flat=True))
            if missing:
                raise CommandError(f"not among these dead letters: {', '.join(map(str, sorted(missing)))}")
        return chosen

    def _list(self, chosen: QuerySet[Job]) -> None:
        for job in chosen.defer("payload").order_by("-finished_at")[:MOST_LISTED]:
            error = mask_text(" ".join(job.error.split()))[:200]
            self.stdout.write(
                f"{job.id}\t{job.finished_at:%Y-%m-%d %H:%M}\t{job.kind}\t{job.lane_id}"
                f"\t{job.subject or job.key}\t{job.error_class}: {error}"
            )
        self.stdout.write(f"{chosen.count()} dead letters; the newest {MOST_LISTED} at most are listed.")


def _require_known(options: dict[str, Any]) -> None:
    """Raises CommandError, with the known names, if a condition names something unknown. A typing error must not look
    like "nothing to do"."""
    kind, lane = options["kind"], options["lane"]
    dead = Job.objects.filter(state=Job.State.DEAD)
    known = list(handlers.kinds())
    # Dead letters of an older version may have a kind that this version does not have.
    if kind is not None and kind not in known and not dead.filter(kind=kind).exists():
        raise CommandError(f"there is no job kind {kind}{_nearest(kind, known)}")
    if lane is not None and not Lane.objects.filter(name=lane).exists():
        lanes = list(Lane.objects.order_by("name").values_list("name", flat=True))
        raise CommandError(f"there is no lane {lane}{_nearest(lane, lanes)}")
    for option, column, words in (
        ("error_class", "error_class", "has the error class"),
        ("subject", "subject__startswith", "is about"),
    ):
        wanted = options[option]
        if wanted is not None and not dead.filter(**{column: wanted}).exists():
            raise CommandError(f"no dead letter {words} {wanted}")


def _nearest(name: str, known: list[str]) -> str:
    """The end of an error message: the names that are most similar, else all names."""
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(near)}?" if near else f"; there are: {', '.join(known) or 'none'}"


def _time(text: str) -> datetime:
    """Parse a point in time; without a zone it is UTC. Raises ValueError, which argparse reports."""
    found = datetime.fromisoformat(text.strip())
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found


def _user_id(name: str) -> int:
    user = get_user_model().objects.filter(username=name).first()
    if user is None:
        raise CommandError(f"nobody in the console has the name {name}")
    return int(user.pk)
