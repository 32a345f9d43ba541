"""Both servers in one process."""

import threading
from typing import TextIO

from sandbox.httpd import Server
from sandbox.shopify.graphql.schema import schema
from sandbox.shopify.server import ShopifyApplication
from sandbox.wms.server import WmsApplication


class Sandbox:
    """Both servers. They listen as soon as they are made, and answer from `start` to `stop`."""

    def __init__(self, *, host: str, shopify_port: int, wms_port: int, log: TextIO | None = None) -> None:
        schema()  # so that the first request does not wait until it is built
        self.shopify = Server((host, shopify_port), ShopifyApplication(), log)
        self.wms = Server((host, wms_port), WmsApplication(), log)
        self.shopify_url = f"http://{host}:{self.shopify.server_address[1]}"
        self.wms_url = f"http://{host}:{self.wms.server_address[1]}"

    def start(self) -> None:
        """Starts one thread per server."""
        for server in (self.shopify, self.wms):
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self) -> None:
        """Stops to listen, ends the deliveries, and wakes requests that a fault holds up."""
        for server in (self.shopify, self.wms):
            server.stopping.set()
            server.shutdown()
            server.server_close()
            server.application.world.stop()
