"""Where alerts are sent: the mail server and each address of ALERT_URLS, each with a lane of its own."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from django.conf import settings

from ops.refs import LaneName, Subject, channel_lane, lane_subject

MAIL = "mail"


@dataclass(frozen=True)
class Channel:
    """One way to reach people. `url` is apprise's, "" for e-mail; it holds secrets: shown and stored is `name`."""

    name: str
    url: str = ""

    @property
    def lane(self) -> LaneName:
        """The lane of what goes out by it: its outage holds up nothing else."""
        return channel_lane(self.name)

    @property
    def subject(self) -> Subject:
        """What is about the channel itself is filed under."""
        return lane_subject(self.lane)


def configured() -> list[Channel]:
    """The channels of the settings, e-mail first."""
    mail = [Channel(MAIL)] if settings.ALERT_EMAILS else []
    return mail + [Channel(_name(url), url) for url in settings.ALERT_URLS]


def named(name: str) -> Channel | None:
    """The channel of this name; None when it was taken out of the settings."""
    return next((channel for channel in configured() if channel.name == name), None)


def _name(url: str) -> str:
    """ "slack-3f9a1c": two channels of one kind are told apart, and the address is not."""
    schema = url.partition("://")[0].lower()[:40]
    return f"{schema}-{hashlib.sha256(url.encode()).hexdigest()[:6]}"
