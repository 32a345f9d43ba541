"""The HTTP interface of the simulated Shopify: GraphQL, the token grant, and the one REST call that is left."""

import json
import secrets
import time
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qsl

from sandbox.faults import Fault
from sandbox.httpd import Reply, Request, json_reply
from sandbox.shopify.control import routes
from sandbox.shopify.graphql import documents, engine
from sandbox.shopify.state.shop import Shop
from sandbox.shopify.state.times import stamp
from sandbox.shopify.world import World

VERSIONS = ("2026-07", "2026-10")
UNAUTHORISED = {"errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"}
SCOPES = "read_products,write_orders,write_merchant_managed_fulfillment_orders,write_inventory,read_locations"


def served_version(asked: str) -> str:
    """Returns the API version that serves a request.

    A retired version is served by the oldest supported version, and a later one by the newest.
    """
    return min((each for each in VERSIONS if each >= asked), default=VERSIONS[-1])


class ShopifyApplication:
    """All simulated shops behind one port, each below /<shop domain>/admin/."""

    def __init__(self) -> None:
        self.world = World()

    def labels(self, request: Request) -> list[str]:
        """Returns the names by which a fault may match a request.

        They are the root fields and the operation name of a GraphQL request, `token`, or the name of the REST file.
        """
        last = request.path.rsplit("/", 1)[-1]
        if last == "access_token":
            return ["token"]
        if last != "graphql.json":
            return [last]
        try:
            query, _, operation = read_graphql(request)
        except ValueError:
            return []
        found = documents.operation_of(query, operation)
        names = [found.name.value] if found and found.name else []
        return [*documents.root_fields(query, operation), *names]

    def handle(self, request: Request) -> Reply:
        """Answers a request below /<domain>/admin/."""
        parts = request.path.strip("/").split("/")
        with self.world.lock:
            shop = self.world.shops.get(parts[0])
            if shop is None or parts[1:2] != ["admin"]:
                return json_reply(404, {"errors": "Not Found"})
            if parts[1:] == ["admin", "oauth", "access_token"] and request.method == "POST":
                return self.grant(shop, request)
            if len(parts) < 5 or parts[2] != "api":
                return json_reply(404, {"errors": "Not Found"})
            version = served_version(parts[3])
            shop.log.versions[version] += 1
            if not authorised(shop, request):
                shop.log.unauthorised += 1
                return json_reply(401, UNAUTHORISED, X_Shopify_API_Version=version)
            if parts[4:] == ["graphql.json"] and request.method == "POST":
                return self.graphql(shop, request, version)
            return rest(shop, request, "/".join(parts[4:]), version)

    def graphql(self, shop: Shop, request: Request, version: str) -> Reply:
        """Answers a GraphQL request: with HTTP 200, unless the body cannot be read."""
        try:
            query, variables, operation = read_graphql(request)
        except ValueError as problem:
            return json_reply(400, {"errors": {"query": str(problem)}}, X_Shopify_API_Version=version)
        call = engine.Call(world=self.world, shop=shop, version=version, variables=variables)
        answer = engine.run(call, query, operation)
        label = ",".join(documents.root_fields(query, operation))
        body = json.dumps(answer, separators=(",", ":"), default=str).encode()
        headers = {"X-Shopify-API-Version": version, "X-Request-Id": secrets.token_hex(8)}
        return Reply(200, body, {**headers, "Date": formatdate(usegmt=True)}, label)

    def grant(self, shop: Shop, request: Request) -> Reply:
        """Grants an access token for client credentials, which come as JSON or as a form."""
        given = read_form(request)
        if given.get("grant_type") != "client_credentials":
            return json_reply(
                400, {"error": "invalid_request", "error_description": "unsupported grant_type"}
            )
        if not shop.client_id or (given.get("client_id"), given.get("client_secret")) != (
            shop.client_id,
            shop.client_secret,
        ):
            return json_reply(
                400, {"error": "invalid_client", "error_description": "unknown client or wrong secret"}
            )
        token = f"shpat_{secrets.token_hex(16)}"
        shop.tokens[token] = time.monotonic() + shop.token_lifetime
        shop.log.tokens_issued += 1
        return json_reply(200, {"access_token": token, "scope": SCOPES, "expires_in": shop.token_lifetime})

    def throttled(self, request: Request, fault: Fault) -> Reply:
        """Returns THROTTLED with HTTP 200 for GraphQL, and 429 for everything else."""
        shop = self.world.shops.get(request.account)
        if shop is None or not request.path.endswith("graphql.json"):
            return Reply(
                429,
                b'{"errors":"Exceeded 2 calls per second for api client."}',
                {"Retry-After": f"{fault.retry_after:g}"},
            )
        with self.world.lock:
            shop.log.throttled += 1
            answer = engine.throttled(shop, 10)
        answer["extensions"]["cost"]["throttleStatus"]["currentlyAvailable"] = 0
        return json_reply(200, answer)

    def control(self, request: Request) -> Reply:
        """Answers a request below /_sandbox/."""
        return routes.handle(self.world, request)


def read_graphql(request: Request) -> tuple[str, dict[str, Any], str | None]:
    """Returns (query, variables, operation name) of a request. Raises ValueError."""
    body = request.json()
    if not isinstance(body, dict) or not isinstance(body.get("query"), str):
        raise ValueError("Required parameter missing or invalid")
    variables = body.get("variables") or {}
    if not isinstance(variables, dict):
        raise ValueError("variables must be an object")
    return body["query"], variables, body.get("operationName")


def read_form(request: Request) -> dict[str, Any]:
    """Returns the fields of a form or of a JSON object; {} for anything else."""
    if "json" not in request.headers.get("content-type", ""):
        return dict(parse_qsl(request.body.decode("utf-8", "replace")))
    try:
        body = request.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def authorised(shop: Shop, request: Request) -> bool:
    """Whether the request has a known token that has not expired."""
    token = request.headers.get("x-shopify-access-token", "")
    if token not in shop.tokens:
        return False
    expires = shop.tokens[token]
    return expires is None or time.monotonic() < expires


def rest(shop: Shop, request: Request, path: str, version: str) -> Reply:
    """Answers a REST request: shop.json within the limit of the bucket. Every other path is gone."""
    fits = shop.rest_bucket.add()
    headers = {"X-Shopify-API-Version": version, "X-Shopify-Shop-Api-Call-Limit": shop.rest_bucket.header()}
    if not fits:
        shop.log.rest_429 += 1
        wait = f"{shop.rest_bucket.wait():.1f}"
        body = b'{"errors":"Exceeded 2 calls per second for api client."}'
        return Reply(429, body, {**headers, "Retry-After": wait})
    shop.log.requests[f"REST {path}"] += 1
    if path != "shop.json" or request.method != "GET":
        return Reply(404, b'{"errors":"Not Found"}', headers)
    content = {
        "shop": {
            "id": shop.id,
            "name": shop.name,
            "domain": shop.domain,
            "myshopify_domain": shop.domain,
            "currency": "EUR",
            "created_at": stamp(shop.created_at),
        }
    }
    return Reply(200, json.dumps(content).encode(), headers, path)
