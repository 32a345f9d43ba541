"""The part of the control API that both servers have: settings, faults, reset and idle."""

from typing import Any

from sandbox.httpd import Refused, Reply, Request, json_reply
from sandbox.simulation import Simulation


def shared_control(simulation: Simulation, request: Request, name: str, accounts: dict[str, Any]) -> Reply:
    """Answers a control request that both servers know. Raises Refused (404) for any other."""
    body = request.json()
    match request.method, name:
        case "POST", "settings":
            settings = simulation.delivery_queue.change_settings(body)
            if "seed" in body:
                simulation.faults.random.seed(body["seed"])
            return json_reply(200, settings)
        case "POST", "faults":
            armed = [simulation.faults.arm(each) for each in (body if isinstance(body, list) else [body])]
            ids = [{"id": each.id} for each in armed]
            return json_reply(201, ids if isinstance(body, list) else ids[0])
        case "GET", "faults":
            return json_reply(200, simulation.faults.books())
        case "DELETE", "faults":
            simulation.faults.disarm()
            return json_reply(200, simulation.faults.books())
        case "POST", "reset":
            with simulation.lock:
                accounts.clear()
                simulation.timers.clear()
            simulation.delivery_queue.forget()
            simulation.faults.reset()
            return json_reply(200, {})
        case "GET", "idle":
            idle = simulation.delivery_queue.wait_idle(float(request.query.get("seconds", 0.01)))
            return json_reply(200, {"idle": idle})
    raise Refused(404, {"error": f"no such control: {request.method} {request.path}"})
