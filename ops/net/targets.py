"""Decides which addresses may be called: https and public ones, and those that ALLOW_PRIVATE_TARGETS names.

What staff enter is checked as text (`check`). The IP address is checked when a connection is made, so a name that
resolves to another address a second later does not get around the check.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable
from functools import lru_cache
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from requests.adapters import HTTPAdapter
from urllib3 import PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from ops.net import deadlines
from ops.net.deadlines import TimedResponse

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolved = list[tuple[Any, ...]]

_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?", re.IGNORECASE)
MOST_ADDRESSES = 4
RESOLVE_SECONDS = 5.0
"""The limit for resolving a name. A name server that works needs a fraction of this."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class TargetRefused(ValueError):
    """The address is not called. The text says why and what to do, and has no secret in it."""


@lru_cache(maxsize=8)
def _allowed(entries: tuple[str, ...]) -> tuple[frozenset[str], tuple[Network, ...]]:
    """Parse the host names and networks. Raises ValueError that names an entry which is neither."""
    hosts, networks = set(), []
    for entry in (each.strip().lower() for each in entries if each.strip()):
        try:
            networks.append(ipaddress.ip_network(entry, strict=False))
        except ValueError:
            if not _HOST.fullmatch(entry):
                raise ValueError(f"{entry!r} is neither a host name nor a network") from None
            hosts.add(entry)
    return frozenset(hosts), tuple(networks)


def allowed() -> tuple[frozenset[str], tuple[Network, ...]]:
    """The host names and networks in ALLOW_PRIVATE_TARGETS. Raises ValueError."""
    return _allowed(tuple(settings.ALLOW_PRIVATE_TARGETS))


def check(url: str) -> None:
    """Check an address as it is written. Raises TargetRefused."""
    parts = _split(url)
    host = (parts.hostname or "").rstrip(".").lower()
    if parts.scheme not in ("http", "https") or not host:
        raise TargetRefused("The address must begin with https:// and name a host.")
    if "@" in parts.netloc:
        raise TargetRefused("The address must not hold a user or a password: they have fields of their own.")
    if "?" in url or "#" in url:
        raise TargetRefused("The address must not hold a query (?) or a fragment (#).")
    if not (_HOST.fullmatch(host) or ":" in host):
        raise TargetRefused("The host in the address is not a host name.")
    literal = _literal(host)
    if literal is not None:
        check_address(literal, host=host)
    named = _is_named(host, literal)
    if parts.scheme == "http" and not named:
        raise TargetRefused(
            "The address must begin with https://. For a host of your own network ALLOW_PRIVATE_TARGETS "
            f"may name {host}."
        )


def _split(url: str) -> SplitResult:
    """Split a URL. Raises TargetRefused for one that libraries may read in different ways."""
    if not url.isascii() or re.search(r"[\x00-\x20\x7f\\]", url):
        raise TargetRefused("The address holds a space, a backslash or a character that is not ASCII.")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise TargetRefused(f"The address cannot be read: {error}.") from error
    return parts


def _literal(host: str) -> Address | None:
    """The IP address that a host stands for without a name server, also for 127.1, 0x7f.1, 2130706433 and localhost."""
    if host == "localhost" or host.endswith(".localhost"):
        return ipaddress.ip_address("127.0.0.1")
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        pass
    try:
        return ipaddress.ip_address(socket.inet_aton(host))
    except OSError:
        return None


def _is_named(host: str, literal: Address | None) -> bool:
    """Whether ALLOW_PRIVATE_TARGETS names the host, or a network with its address."""
    hosts, networks = allowed()
    return host in hosts or (literal is not None and _within(literal, networks))


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def check_address(address: Address, *, host: str) -> None:
    """Check the IP address to which a connection for `host` would go. Raises TargetRefused."""
    hosts, networks = allowed()
    inner = _inner(address)
    if host.lower() in hosts or _within(inner, networks) or _within(address, networks):
        return
    if not inner.is_global or inner.is_multicast or inner.is_reserved:
        raise TargetRefused(
            f"{host} is a private or local address, which is not called unless ALLOW_PRIVATE_TARGETS names it."
        )


def _inner(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for, else the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else address)


def validate(url: str) -> None:
    """Validate an address, for models and forms. Raises ValidationError."""
    try:
        check(url)
    except TargetRefused as error:
        raise ValidationError(str(error), code="target") from error


def origin(url: str) -> str:
    """Scheme, host and port of an address. Two addresses with the same origin belong to the same system."""
    try:
        parts = urlsplit(url.strip())
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    except ValueError:
        return url
    return f"{parts.scheme}://{(parts.hostname or '').rstrip('.').lower()}:{port}"


def _connect(connection: HTTPConnection) -> socket.socket:
    """Connect to the first address that answers. Raises TargetRefused if any address of the name may not be called."""
    asked: str = connection._dns_host
    host = asked.strip("[]")
    try:
        found = _resolved(host, connection.port or 0)
    except (OSError, UnicodeError) as error:
        raise NameResolutionError(connection.host, connection, socket.gaierror(str(error))) from error
    addresses = list(dict.fromkeys(str(each[4][0]) for each in found))[:MOST_ADDRESSES]
    for address in addresses:
        check_address(ipaddress.ip_address(address.partition("%")[0]), host=host)
    try:
        return _first_that_answers(connection, addresses)
    finally:
        connection._dns_host = asked


def _resolved(host: str, port: int) -> Resolved:
    """Resolve a name within RESOLVE_SECONDS.

    getaddrinfo has no time-out, and asks one name server after the other. So a thread waits for it. If it takes too
    long, the thread is left behind and ends when getaddrinfo does.

    Raises OSError (no such name, or no answer in time), UnicodeError.
    """
    results: SimpleQueue[Resolved | OSError | UnicodeError] = SimpleQueue()

    def ask() -> None:
        try:
            results.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            results.put(error)

    Thread(target=ask, name="resolve", daemon=True).start()
    try:
        found = results.get(timeout=deadlines.left(RESOLVE_SECONDS))
    except Empty:
        raise socket.gaierror(socket.EAI_AGAIN, "no name server answered in time") from None
    if isinstance(found, Exception):
        raise found
    return found


def _first_that_answers(connection: HTTPConnection, addresses: list[str]) -> socket.socket:
    """Connect to one of the checked addresses. The name must not be resolved again: that could give another address."""
    for position, address in enumerate(addresses, start=1):
        connection._dns_host = address
        try:
            return HTTPConnection._new_conn(connection)
        except ConnectTimeoutError:
            if position == len(addresses):
                raise
    raise NewConnectionError(connection, "the name stands for no address")


class _PlainConnection(HTTPConnection):
    response_class = TimedResponse

    def _new_conn(self) -> socket.socket:
        return _connect(self)


class _SecureConnection(HTTPSConnection):
    response_class = TimedResponse

    def _new_conn(self) -> socket.socket:
        return _connect(self)


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class CheckedAdapter(HTTPAdapter):
    """An adapter for sessions of requests that connect only to checked addresses, and whose answers have a deadline."""

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **more: Any) -> None:
        """Make the pools of urllib3, with our connections."""
        super().init_poolmanager(connections, maxsize, block, **more)
        manager: PoolManager = self.poolmanager
        manager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}
