"""The channels of alerts: the mail server and each address of ALERT_URLS. Each has a lane of its own."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from django.conf import settings

from ops.refs import LaneName, Subject, channel_lane, lane_subject

MAIL = "mail"


@dataclass(frozen=True)
class Channel:
    """One way to reach people. `url` is an address of apprise, "" for e-mail. It may have secrets in it, so only `name`
    is shown and stored."""

    name: str
    url: str = ""

    @property
    def lane(self) -> LaneName:
        """The lane of its messages, so that its outage delays nothing else."""
        return channel_lane(self.name)

    @property
    def subject(self) -> Subject:
        """The subject of alerts about the channel itself."""
        return lane_subject(self.lane)


def configured() -> list[Channel]:
    """The channels in the settings, e-mail first."""
    mail = [Channel(MAIL)] if settings.ALERT_EMAILS else []
    return mail + [Channel(_name(url), url) for url in settings.ALERT_URLS]


def named(name: str) -> Channel | None:
    """The channel with this name; None if it is no longer in the settings."""
    return next((channel for channel in configured() if channel.name == name), None)


def _name(url: str) -> str:
    """A name such as "slack-3f9a1c". It differs for two channels of one kind, and does not show the address."""
    schema = url.partition("://")[0].lower()[:40]
    return f"{schema}-{hashlib.sha256(url.encode()).hexdigest()[:6]}"
