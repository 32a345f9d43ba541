"""What both HTTP servers share: they read requests, write replies, and let faults act on the socket itself."""

import json
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Protocol, TextIO
from urllib.parse import parse_qsl, unquote, urlsplit

from sandbox.faults import Fault
from sandbox.simulation import Simulation

RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 s: closing sends RST
FOREVER_SECONDS = 30.0
MAX_BODY = 20_000_000


@dataclass(frozen=True)
class Request:
    """One complete request. `path` is unquoted and comes without the query."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]  # lower-case names
    body: bytes

    def json(self) -> Any:
        """Returns the body as JSON, or {} when it is empty. Raises ValueError."""
        return json.loads(self.body) if self.body else {}

    @property
    def account(self) -> str:
        """The first segment of the path: shop domain or connection slug."""
        return self.path.split("/", 2)[1]


@dataclass(frozen=True)
class Reply:
    """One answer. `returned` is called when the caller has received it, or will never receive it."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    label: str = ""
    returned: Callable[[], None] | None = None


def json_reply(status: int, content: object, **headers: str) -> Reply:
    """Makes a JSON answer. The names of `headers` are written with underscores instead of hyphens."""
    body = json.dumps(content, separators=(",", ":"), default=str).encode()
    return Reply(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


class Refused(Exception):
    """Raised to answer a request with an error: a status and a JSON body."""

    def __init__(self, status: int, content: dict[str, Any]) -> None:
        super().__init__(content)
        self.status, self.content = status, content


class Application(Protocol):
    """What a simulated system offers to the HTTP side."""

    @property
    def world(self) -> Simulation:
        """The state of the system, and what it runs on."""

    def labels(self, request: Request) -> list[str]:
        """Returns the names by which a fault may match this request."""

    def handle(self, request: Request) -> Reply:
        """Carries out the request."""

    def throttled(self, request: Request, fault: Fault) -> Reply:
        """Returns the answer with which the vendor says that there are too many requests."""

    def control(self, request: Request) -> Reply:
        """Answers a request of the control API, below /_sandbox/."""


class Server(ThreadingHTTPServer):
    """An HTTP server with one thread per connection."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], application: Application, log: TextIO | None) -> None:
        self.application = application
        self.log = log
        self.log_lock = threading.Lock()
        self.stopping = threading.Event()
        super().__init__(address, Handler)

    def shutdown_request(self, request: Any) -> None:
        """Closes the connection, without the orderly shutdown when it is to be reset."""
        if isinstance(request, socket.socket) and request.fileno() >= 0:
            linger = request.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, len(RESET))
            if linger == RESET:
                request.close()
                return
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignores clients that went away, since faults make them do so; the base class reports everything else."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """Reads a request, lets faults act, and writes the answer at once."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: Server
    server_version = "sandbox"
    sys_version = ""
    MESSAGES: ClassVar[dict[int, str]] = {status.value: status.phrase for status in HTTPStatus}

    def do_any(self) -> None:
        """Handles a request of any method."""
        started = time.monotonic()
        request = self.read()
        application = self.server.application
        if request.path.startswith("/_sandbox/"):
            return self.answer(control(application, request))
        fault = application.world.faults.pick(
            method=self.command,
            path=request.path,
            labels=application.labels(request),
            account=request.account,
        )
        if fault is not None and fault.before:
            return self.fail(request, fault)
        reply = application.handle(request)
        self.write_log(request, reply, fault, time.monotonic() - started)
        if application.world.delivery_queue.settings.latency:
            self.server.stopping.wait(application.world.delivery_queue.settings.latency)
        self.send(reply, fault)
        return None

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_any  # noqa: N815 - the base class looks for these

    def read(self) -> Request:
        """Reads the whole request."""
        length = min(int(self.headers.get("Content-Length") or 0), MAX_BODY)
        parts = urlsplit(self.path)
        return Request(
            method=self.command,
            path=unquote(parts.path),
            query=dict(parse_qsl(parts.query)),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(length) if length else b"",
        )

    def answer(self, reply: Reply, *, claimed_length: int | None = None) -> None:
        """Writes an answer with one flush. `claimed_length` replaces the true Content-Length."""
        head = {
            "Content-Type": "application/json",
            **reply.headers,
            "Content-Length": str(len(reply.body) if claimed_length is None else claimed_length),
        }
        if self.close_connection:
            head["Connection"] = "close"
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        status = f"HTTP/1.1 {reply.status} {self.MESSAGES.get(reply.status, '')}\r\n"
        self.wfile.write(f"{status}{lines}\r\n".encode("latin-1") + reply.body)
        self.wfile.flush()

    def fail(self, request: Request, fault: Fault) -> None:
        """Lets a fault take the place of the work."""
        if fault.fault == "timeout_before":
            return self.hang(fault)
        if fault.fault == "reset":
            return self.reset()
        if fault.fault == "throttled":
            return self.answer(self.server.application.throttled(request, fault))
        extra = {"Retry-After": f"{fault.retry_after:g}"} if fault.fault == "429" else {}
        reply = json_reply(int(fault.fault), {"error": "fault", "message": f"injected {fault.fault}"})
        return self.answer(Reply(reply.status, reply.body, extra))

    def send(self, reply: Reply, fault: Fault | None) -> None:
        """Sends the answer, or what a fault makes of it."""
        try:
            if fault is not None:
                self.answer_wrongly(reply, fault)
            else:
                self.answer(reply)
        finally:
            if reply.returned:
                reply.returned()

    def answer_wrongly(self, reply: Reply, fault: Fault) -> None:
        """Lets a fault act on the answer after the work was done."""
        match fault.fault:
            case "timeout_after":
                self.hang(fault)
            case "reset_after":
                self.reset()
            case "truncate":
                self.close_connection = True
                half = Reply(reply.status, reply.body[: len(reply.body) // 2], reply.headers)
                self.answer(half, claimed_length=len(reply.body))
            case "not_json":
                self.answer(
                    Reply(200, b"<html><body>Bad gateway</body></html>", {"Content-Type": "text/html"})
                )
            case "500_after":
                self.answer(json_reply(500, {"error": "fault", "message": "injected after the work"}))
            case "slow":
                self.answer_slowly(reply, fault.delay or 1.0)

    def hang(self, fault: Fault) -> None:
        """Gives no answer, and closes the connection after a while."""
        self.close_connection = True
        self.server.stopping.wait(FOREVER_SECONDS if fault.delay is None else fault.delay)

    def reset(self) -> None:
        """Makes the client see "connection reset by peer"."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    def answer_slowly(self, reply: Reply, seconds: float) -> None:
        """Sends the body slowly, in ten small pieces."""
        self.answer(Reply(reply.status, b"", reply.headers), claimed_length=len(reply.body))
        step = max(1, -(-len(reply.body) // 10))
        for start in range(0, len(reply.body), step):
            self.server.stopping.wait(seconds / 10)
            self.wfile.write(reply.body[start : start + step])
            self.wfile.flush()

    def write_log(self, request: Request, reply: Reply, fault: Fault | None, seconds: float) -> None:
        """Writes one line to the log file, if there is a log file."""
        if self.server.log is None:
            return
        line = f"{time.time():.3f} {request.method} {request.path} {reply.label} {reply.status} {seconds * 1000:.1f}ms"
        with self.server.log_lock:
            self.server.log.write(line + (f" fault={fault.fault}\n" if fault else "\n"))

    def log_message(self, format: str, *args: Any) -> None:
        """Keeps the base class from writing to stderr."""


def control(application: Application, request: Request) -> Reply:
    """Answers a control request. Its errors are JSON: 400 for a bad body, 404 for something that does not exist."""
    try:
        return application.control(request)
    except Refused as refusal:
        return json_reply(refusal.status, refusal.content)
    except KeyError as problem:
        return json_reply(400, {"error": f"missing or unknown: {problem}"})
    except (ValueError, TypeError) as problem:
        return json_reply(400, {"error": str(problem)})
