"""Template tags for pages of lower apps, which do not know the apps above: ops knows neither orders nor shops."""

from __future__ import annotations

from typing import Any

from django import template

from fulfillment.console.sections import Link
from ops.models import Alert, Job
from wmsbridge.console import job_descriptions
from wmsbridge.console.related_links import of_alert, related_links

register = template.Library()


@register.simple_tag(takes_context=True)
def links_of_job(context: dict[str, Any], job: Job) -> list[Link]:
    """The links to what a job is about."""
    return related_links(job.subject, lane=job.lane_id, payload=job.payload, user=context["request"].user)


@register.simple_tag(takes_context=True)
def links_of_alert(context: dict[str, Any], alert: Alert) -> list[Link]:
    """The links to what an alert is about."""
    return of_alert(alert, user=context["request"].user)


@register.simple_tag
def in_words(job: Job) -> job_descriptions.DeadLetter:
    """The description of a dead job: what happened, what it means, what to do."""
    return job_descriptions.dead_letter(job)
