"""What every simulated system runs on."""

import threading

from sandbox.delivery_queue import DeliveryQueue
from sandbox.faults import Faults
from sandbox.timers import Timers


class Simulation:
    """The lock, the timers, the deliveries and the armed faults of one simulated system.

    Hold `lock` while you read or change one of its accounts.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.timers = Timers()
        self.delivery_queue = DeliveryQueue(self.timers)
        self.faults = Faults()

    def stop(self) -> None:
        """Ends the threads."""
        self.timers.stop()
        self.delivery_queue.stop()
