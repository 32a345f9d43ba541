"""List dead letters and put them back to work."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import QuerySet

from ops import jobs
from ops.models import Job

MOST_LISTED = 100
BATCH = 1000


class Command(BaseCommand):
    """`replay` alone lists; a selection (or --all) replays it, --dry-run only says what it would do."""

    help = "List dead letters, or replay those chosen by --id, --kind, --lane or --all."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The selection; several conditions narrow it."""
        parser.add_argument("--id", type=int, nargs="+", default=[], metavar="N", help="job numbers")
        parser.add_argument("--kind", default="", help="job kind, e.g. fulfillment.submit")
        parser.add_argument("--lane", default="", help="lane, e.g. wms:north")
        parser.add_argument("--all", action="store_true", help="every dead letter")
        parser.add_argument("--dry-run", action="store_true", help="list them, change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Raises CommandError when job numbers are no dead letters."""
        chosen = self._chosen(options)
        selected = bool(options["id"] or options["kind"] or options["lane"] or options["all"])
        if not selected or options["dry_run"]:
            self._list(chosen)
            return
        self.stdout.write(f"{replay_all(chosen)} dead letters are due again.")

    def _chosen(self, options: dict[str, Any]) -> QuerySet[Job]:
        chosen = Job.objects.filter(state=Job.State.DEAD)
        if options["kind"]:
            chosen = chosen.filter(kind=options["kind"])
        if options["lane"]:
            chosen = chosen.filter(lane_id=options["lane"])
        if options["id"]:
            chosen = chosen.filter(id__in=options["id"])
            missing = set(options["id"]) - set(chosen.values_list("id", flat=True))
            if missing:
                raise CommandError(f"not among these dead letters: {', '.join(map(str, sorted(missing)))}")
        return chosen

    def _list(self, chosen: QuerySet[Job]) -> None:
        for job in chosen.defer("payload").order_by("-finished_at")[:MOST_LISTED]:
            self.stdout.write(
                f"{job.id}\t{job.finished_at:%Y-%m-%d %H:%M}\t{job.kind}\t{job.lane_id}"
                f"\t{job.subject or job.key}\t{job.error_class}: {' '.join(job.error.split())[:200]}"
            )
        self.stdout.write(f"{chosen.count()} dead letters; the newest {MOST_LISTED} at most are listed.")


def replay_all(chosen: QuerySet[Job]) -> int:
    """Replay in batches, each its own transaction; returns how many."""
    ids = list(chosen.order_by("id").values_list("id", flat=True))
    return sum(jobs.replay(ids[start : start + BATCH]) for start in range(0, len(ids), BATCH))
