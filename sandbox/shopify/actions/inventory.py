"""The stock of a shop: how orders change it, and the mutations inventorySetQuantities and inventoryActivate."""

from typing import Any

from sandbox.shopify.state.catalogue import Level, Location, Variant
from sandbox.shopify.state.ids import gid, new_id, number
from sandbox.shopify.state.orders import Line
from sandbox.shopify.state.shop import Shop
from sandbox.shopify.state.times import now
from sandbox.shopify.webhooks.catalogue_bodies import level_body
from sandbox.shopify.webhooks.signing import new_event
from sandbox.shopify.world import World

MAX_QUANTITY = 1_000_000_000
REASONS = {
    "correction",
    "cycle_count_available",
    "damaged",
    "movement_canceled",
    "movement_created",
    "movement_received",
    "movement_updated",
    "other",
    "promotion",
    "quality_control",
    "received",
    "reservation_created",
    "reservation_deleted",
    "reservation_updated",
    "restock",
    "safety_stock",
    "shrinkage",
}
Errors = list[dict[str, Any]]


def change(
    world: World,
    shop: Shop,
    line: Line,
    location: Location,
    *,
    available: int = 0,
    committed: int = 0,
    event: str,
) -> None:
    """Adds to a stock level, and announces it when `available` changed.

    Does nothing when the item is not tracked or not stocked.
    """
    level = shop.level(line.variant, location) if line.variant and line.variant.tracked else None
    if level is None:
        return
    level.available += available
    level.committed += committed
    level.updated_at = now()
    if available:
        world.announce(shop, "inventory_levels/update", level_body(level), event=event)


def put(world: World, shop: Shop, *, variant: Variant, location: Location, available: int) -> Level:
    """Sets `available` as a merchant does in the admin, and stocks the item there first if needed."""
    level = shop.level(variant, location)
    if level is None:
        level = shop.levels[variant.inventory_item_id, location.id] = Level(variant, location, 0)
    level.is_active = True
    level.available = available
    level.updated_at = now()
    world.announce(shop, "inventory_levels/update", level_body(level), event=new_event())
    return level


def set_quantities(
    world: World, shop: Shop, given: dict[str, Any], *, version: str
) -> tuple[dict[str, Any] | None, Errors]:
    """inventorySetQuantities: it carries out everything or nothing. Returns (adjustment group, user errors)."""
    name, wanted = given["name"], given["quantities"]
    errors = check_input(given) or check_quantities(shop, given, version=version)
    if errors:
        return None, errors
    event, changes = new_event(), []
    for each in wanted:
        variant, location = find(shop, each)
        assert variant
        assert location
        level = shop.level(variant, location)
        if level is None:  # 2026-10 has no ITEM_NOT_STOCKED_AT_LOCATION: an inactive level is created
            level = shop.levels[variant.inventory_item_id, location.id] = Level(
                variant, location, 0, is_active=False
            )
        delta = each["quantity"] - (level.available if name == "available" else level.on_hand)
        level.available += delta
        level.updated_at = now()
        for changed in ("available", "on_hand"):
            changes.append({"name": changed, "delta": delta, "variant": variant, "location": location})
        if delta:
            world.announce(shop, "inventory_levels/update", level_body(level), event=event)
    group = {
        "id": gid("InventoryAdjustmentGroup", new_id("InventoryAdjustmentGroup")),
        "created_at": now(),
        "reason": given["reason"],
        "reference_document_uri": given.get("referenceDocumentUri"),
        "changes": changes,
    }
    return group, []


def find(shop: Shop, each: dict[str, Any]) -> tuple[Variant | None, Location | None]:
    """Returns the item and the location that one element names."""
    return shop.items.get(number(each["inventoryItemId"])), shop.locations.get(number(each["locationId"]))


def problem(code: str, message: str, *path: str) -> dict[str, Any]:
    """Returns one user error."""
    return {"code": code, "field": ["input", *path], "message": message}


def check_input(given: dict[str, Any]) -> Errors:
    """Returns what is wrong with the call as a whole."""
    if given["name"] not in ("available", "on_hand"):
        return [problem("INVALID_NAME", "The quantity name must be either 'available' or 'on_hand'.", "name")]
    if given["reason"] not in REASONS:
        return [problem("INVALID_REASON", "The specified reason is invalid.", "reason")]
    uri = given.get("referenceDocumentUri")
    if uri is not None and ":" not in uri:
        message = "The specified reference document is invalid."
        return [problem("INVALID_REFERENCE_DOCUMENT", message, "referenceDocumentUri")]
    return []


def check_quantities(shop: Shop, given: dict[str, Any], *, version: str) -> Errors:
    """Returns what is wrong with single elements. The field of an error holds the index of its element."""
    errors: Errors = []
    seen: set[tuple[str, str]] = set()
    for index, each in enumerate(given["quantities"]):
        wrong = check_one(shop, each, name=given["name"], version=version)
        pair = (each["inventoryItemId"], each["locationId"])
        if pair in seen:
            message = "The combination of inventoryItemId and locationId must be unique."
            wrong = "NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR", message, "locationId"
        seen.add(pair)
        if wrong:
            code, message, key = wrong
            errors.append(problem(code, message, "quantities", str(index), key))
    return errors


def check_one(shop: Shop, each: dict[str, Any], *, name: str, version: str) -> tuple[str, str, str] | None:
    """Returns (code, message, key) of what is wrong with one element; None when nothing is wrong."""
    variant, location = find(shop, each)
    if variant is None:
        return "INVALID_INVENTORY_ITEM", "The specified inventory item could not be found.", "inventoryItemId"
    if location is None or not location.is_active:
        return "INVALID_LOCATION", "The specified location could not be found.", "locationId"
    if not variant.tracked:
        message = "The specified inventory item is not allowed to be adjusted via API."
        return "NON_MUTABLE_INVENTORY_ITEM", message, "inventoryItemId"
    if each["quantity"] > MAX_QUANTITY:
        return "INVALID_QUANTITY_TOO_HIGH", "The quantity can't be higher than 1,000,000,000.", "quantity"
    if each["quantity"] < (-MAX_QUANTITY if name == "available" else 0):
        return "INVALID_QUANTITY_NEGATIVE", "The quantity can't be negative.", "quantity"
    level = shop.level(variant, location)
    if level is None and version <= "2026-07":
        message = "The specified inventory item is not stocked at the location."
        return "ITEM_NOT_STOCKED_AT_LOCATION", message, "locationId"
    expected = each.get("changeFromQuantity")
    current = 0 if level is None else level.available if name == "available" else level.on_hand
    if expected is not None and expected != current:
        message = "The changeFromQuantity value does not match persisted quantity."
        return "CHANGE_FROM_QUANTITY_STALE", message, "changeFromQuantity"
    return None


def activate(world: World, shop: Shop, args: dict[str, Any]) -> tuple[Level | None, Errors]:
    """inventoryActivate: stocks an item at a location. Returns (level, user errors)."""
    variant, location = find(shop, args)
    if variant is None:
        return None, [
            {
                "field": ["inventoryItemId"],
                "message": "The product couldn't be stocked because it doesn't exist.",
            }
        ]
    if location is None or not location.is_active:
        return None, [
            {
                "field": ["locationId"],
                "message": "The product couldn't be stocked because the location doesn't exist.",
            }
        ]
    available, on_hand = args.get("available"), args.get("onHand")
    if available is not None and on_hand is not None:
        message = "Not allowed to set both available and on_hand quantities at the same time."
        return None, [{"field": ["available"], "message": message}]
    level = shop.level(variant, location)
    if level is not None and level.is_active and (available is not None or on_hand is not None):
        message = "Not allowed to set available quantity when the item is already active at the location."
        return None, [{"field": ["available"], "message": message}]
    if level is None:
        level = shop.levels[variant.inventory_item_id, location.id] = Level(variant, location, 0)
    level.is_active = True
    level.updated_at = now()
    if available is not None:
        level.available = available
    elif on_hand is not None:
        level.available = on_hand - level.committed
    world.announce(shop, "inventory_levels/update", level_body(level), event=new_event())
    return level, []
