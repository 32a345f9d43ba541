"""`python -m sandbox --shopify-port 9001 --wms-port 9002 [--host 127.0.0.1] [--log FILE]`

Runs both simulated systems in one process until SIGTERM or Ctrl-C. With port 0 the system chooses a free port; the
line on stdout that says `ready` names it.
"""

import argparse
import json
import signal
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

from sandbox.server import Sandbox


def main() -> int:
    """Serves until a signal stops it."""
    parser = argparse.ArgumentParser(prog="sandbox", description="A simulated Shopify and a simulated WMS.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--shopify-port", type=int, default=9001)
    parser.add_argument("--wms-port", type=int, default=9002)
    parser.add_argument("--log", type=Path, help="a file that gets one line per API request")
    given = parser.parse_args()
    stop = threading.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_number, lambda *_: stop.set())
    with ExitStack() as stack:
        log: TextIO | None = stack.enter_context(given.log.open("a", buffering=1)) if given.log else None
        sandbox = Sandbox(host=given.host, shopify_port=given.shopify_port, wms_port=given.wms_port, log=log)
        stack.callback(sandbox.stop)
        sandbox.start()
        ready = {"ready": True, "shopify": sandbox.shopify_url, "wms": sandbox.wms_url}
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()
        stop.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
