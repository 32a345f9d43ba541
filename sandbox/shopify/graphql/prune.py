"""Makes `schema.graphql` from the full Admin schema (the introspection JSON of npm @shopify/dev-mcp 1.16.0):

    python -m sandbox.shopify.graphql.prune admin_2026-10.json.gz > sandbox/shopify/graphql/schema.graphql

Object types keep the fields that KEEP lists, with all their arguments. Input types and enums that these fields need are
kept whole. Descriptions and deprecation reasons are dropped.
"""

import gzip
import json
import sys
from typing import Any

from graphql import build_client_schema, print_schema

CONNECTION = "edges nodes pageInfo"
PAYLOAD = "userErrors"
ADDRESS = "address1 address2 city zip phone"

KEEP: dict[str, str] = {
    "QueryRoot": (
        "order orders nodes node shop inventoryItem inventoryItems productVariant productVariants"
        " location locations job webhookSubscription webhookSubscriptions publicApiVersions fulfillment"
        " fulfillmentOrder fulfillmentOrders return"
    ),
    "Mutation": (
        "fulfillmentCreate fulfillmentCancel fulfillmentTrackingInfoUpdate fulfillmentOrderMove"
        " fulfillmentOrderHold fulfillmentOrderReleaseHold inventorySetQuantities inventoryActivate"
        " orderCancel orderUpdate tagsAdd webhookSubscriptionCreate webhookSubscriptionUpdate"
        " webhookSubscriptionDelete"
    ),
    "Node": "id",
    "DisplayableError": "field message",
    "JobResult": "id done",
    "PageInfo": "startCursor endCursor hasNextPage hasPreviousPage",
    "Shop": "id name myshopifyDomain currencyCode email ianaTimezone createdAt updatedAt",
    "ApiVersion": "handle displayName supported",
    "Job": "id done",
    "App": "id title handle",
    "MoneyBag": "shopMoney presentmentMoney",
    "MoneyV2": "amount currencyCode",
    "Order": (
        "id legacyResourceId name number createdAt updatedAt processedAt cancelledAt cancelReason"
        " closedAt closed confirmed test edited displayFinancialStatus displayFulfillmentStatus fullyPaid"
        " unpaid requiresShipping returnStatus tags note email phone currencyCode totalPriceSet"
        " shippingAddress billingAddress shippingLine lineItems fulfillmentOrders fulfillments"
        " subtotalLineItemsQuantity currentSubtotalLineItemsQuantity sourceName returns"
    ),
    "OrderConnection": CONNECTION,
    "OrderEdge": "cursor node",
    "MailingAddress": ADDRESS
    + (
        "  id name firstName lastName company country countryCode countryCodeV2 province provinceCode"
        " latitude longitude"
    ),
    "ShippingLine": "id title code source carrierIdentifier deliveryCategory",
    "LineItem": (
        "id sku title name variantTitle quantity currentQuantity unfulfilledQuantity"
        " nonFulfillableQuantity requiresShipping isGiftCard vendor originalUnitPriceSet variant product"
        " lineItemGroup"
    ),
    "LineItemConnection": CONNECTION,
    "LineItemEdge": "cursor node",
    "LineItemGroup": "id title quantity productId variantId variantSku",
    "FulfillmentOrder": (
        "id status requestStatus createdAt updatedAt fulfillAt fulfillBy order orderId orderName"
        " orderProcessedAt channelId deliveryMethod assignedLocation destination supportedActions"
        " fulfillmentHolds lineItems fulfillments locationsForMove"
    ),
    "FulfillmentOrderConnection": CONNECTION,
    "FulfillmentOrderEdge": "cursor node",
    "FulfillmentOrderAssignedLocation": ADDRESS + " location name countryCode province",
    "FulfillmentOrderDestination": ADDRESS
    + " id firstName lastName company countryCode province email location",
    "FulfillmentOrderSupportedAction": "action externalUrl",
    "FulfillmentHold": "id handle reason reasonNotes displayReason heldByApp heldByRequestingApp",
    "FulfillmentOrderLineItem": (
        "id totalQuantity remainingQuantity requiresShipping inventoryItemId lineItem variant sku"
        " productTitle variantTitle vendor"
    ),
    "FulfillmentOrderLineItemConnection": CONNECTION,
    "FulfillmentOrderLineItemEdge": "cursor node",
    "FulfillmentOrderLocationForMove": "location movable message",
    "FulfillmentOrderLocationForMoveConnection": CONNECTION,
    "FulfillmentOrderLocationForMoveEdge": "cursor node",
    "DeliveryMethod": "id methodType presentedName serviceCode",
    "Fulfillment": (
        "id legacyResourceId name status displayStatus createdAt updatedAt order location"
        " requiresShipping totalQuantity trackingInfo fulfillmentLineItems fulfillmentOrders"
    ),
    "FulfillmentConnection": CONNECTION,
    "FulfillmentEdge": "cursor node",
    "FulfillmentTrackingInfo": "company number url",
    "FulfillmentLineItem": "id quantity lineItem",
    "FulfillmentLineItemConnection": CONNECTION,
    "FulfillmentLineItemEdge": "cursor node",
    "Return": "id name status createdAt closedAt order totalQuantity",
    "ReturnConnection": CONNECTION,
    "ReturnEdge": "cursor node",
    "Location": (
        "id legacyResourceId name isActive fulfillsOnlineOrders shipsInventory isFulfillmentService"
        " address createdAt updatedAt inventoryLevel"
    ),
    "LocationConnection": CONNECTION,
    "LocationEdge": "cursor node",
    "LocationAddress": ADDRESS + " country countryCode province provinceCode",
    "Product": "id legacyResourceId title status vendor createdAt updatedAt variants",
    "ProductVariant": (
        "id legacyResourceId sku title displayName barcode price inventoryQuantity position createdAt"
        " updatedAt product inventoryItem"
    ),
    "ProductVariantConnection": CONNECTION,
    "ProductVariantEdge": "cursor node",
    "InventoryItem": (
        "id legacyResourceId sku tracked requiresShipping createdAt updatedAt duplicateSkuCount"
        " inventoryLevel inventoryLevels variant variants"
    ),
    "InventoryItemConnection": CONNECTION,
    "InventoryItemEdge": "cursor node",
    "InventoryLevel": "id isActive canDeactivate createdAt updatedAt item location quantities",
    "InventoryLevelConnection": CONNECTION,
    "InventoryLevelEdge": "cursor node",
    "InventoryQuantity": "id name quantity updatedAt",
    "InventoryAdjustmentGroup": "id createdAt reason referenceDocumentUri app changes",
    "InventoryChange": "name delta quantityAfterChange ledgerDocumentUri item location",
    "WebhookSubscription": (
        "id legacyResourceId topic uri callbackUrl endpoint format filter includeFields name"
        " metafieldNamespaces apiVersion createdAt updatedAt"
    ),
    "WebhookSubscriptionConnection": CONNECTION,
    "WebhookSubscriptionEdge": "cursor node",
    "WebhookSubscriptionEndpoint": "",
    "WebhookHttpEndpoint": "callbackUrl",
    "UserError": "field message",
    "FulfillmentCreatePayload": PAYLOAD + " fulfillment",
    "FulfillmentCancelPayload": PAYLOAD + " fulfillment",
    "FulfillmentTrackingInfoUpdatePayload": PAYLOAD + " fulfillment",
    "FulfillmentOrderMovePayload": PAYLOAD
    + " movedFulfillmentOrder originalFulfillmentOrder remainingFulfillmentOrder",
    "FulfillmentOrderMoveFulfillmentOrderMoveUserError": "code field message",
    "FulfillmentOrderHoldPayload": PAYLOAD + " fulfillmentHold fulfillmentOrder remainingFulfillmentOrder",
    "FulfillmentOrderHoldUserError": "code field message",
    "FulfillmentOrderReleaseHoldPayload": PAYLOAD + " fulfillmentOrder",
    "FulfillmentOrderReleaseHoldUserError": "code field message",
    "InventorySetQuantitiesPayload": PAYLOAD + " inventoryAdjustmentGroup",
    "InventorySetQuantitiesUserError": "code field message",
    "InventoryActivatePayload": PAYLOAD + " inventoryLevel",
    "OrderCancelPayload": PAYLOAD + " job jobResult orderCancelUserErrors",
    "OrderCancelJobResult": "id done status errors order",
    "OrderCancelUserError": "code field message",
    "OrderUpdatePayload": PAYLOAD + " order",
    "TagsAddPayload": PAYLOAD + " node",
    "WebhookSubscriptionCreatePayload": PAYLOAD + " webhookSubscription",
    "WebhookSubscriptionUpdatePayload": PAYLOAD + " webhookSubscription",
    "WebhookSubscriptionDeletePayload": PAYLOAD + " deletedWebhookSubscriptionId",
}

Json = dict[str, Any]
DIRECTIVES = {"idempotent", "skip", "include", "deprecated", "specifiedBy"}


def named(reference: Json) -> str:
    """Returns the name of the type inside list and non-null wrappers."""
    while reference["ofType"]:
        reference = reference["ofType"]
    return str(reference["name"])


def prune(introspection: Json) -> str:
    """Returns the SDL of the kept part of an introspection (`{"__schema": ...}`).

    Raises KeyError when KEEP lacks a type, or names one that does not exist.
    """
    schema = introspection["__schema"]
    everything = {each["name"]: each for each in schema["types"]}
    kept = {name: object_type(everything[name], fields.split()) for name, fields in KEEP.items()}
    waiting = [kept[name] for name in KEEP]
    while waiting:
        for name in references(waiting.pop()):
            if name not in kept:
                if everything[name]["kind"] not in {"SCALAR", "ENUM", "INPUT_OBJECT"}:
                    raise KeyError(f"KEEP lacks {name}")
                kept[name] = plain_type(everything[name])
                waiting.append(kept[name])
    built_in = [each for name, each in everything.items() if name.startswith("__")]
    directives = [bare(each) for each in schema["directives"] if each["name"] in DIRECTIVES]
    pruned = {
        **schema,
        "subscriptionType": None,
        "directives": directives,
        "types": [*kept.values(), *built_in],
    }
    return print_schema(build_client_schema({"__schema": pruned})) + "\n"  # type: ignore[typeddict-item]


def object_type(whole: Json, fields: list[str]) -> Json:
    """Returns an object, interface or union type with only the listed fields, interfaces and members."""
    by_name = {each["name"]: each for each in whole["fields"] or []}
    return {
        **bare(whole),
        "fields": [bare(by_name[name]) for name in fields],
        "interfaces": [each for each in whole["interfaces"] or [] if each["name"] in KEEP],
        "possibleTypes": [each for each in whole["possibleTypes"] or [] if each["name"] in KEEP],
    }


def plain_type(whole: Json) -> Json:
    """Returns a whole scalar, enum or input type."""
    return {
        **bare(whole),
        "inputFields": [bare(each) for each in whole["inputFields"] or []],
        "enumValues": [bare(each) for each in whole["enumValues"] or []],
    }


def bare(node: Json) -> Json:
    """Returns a node without descriptions and deprecations, also those of its arguments."""
    changed: Json = {"description": None, "specifiedByURL": None}
    if "isDeprecated" in node:
        changed |= {"isDeprecated": False, "deprecationReason": None}
    if node.get("args") is not None:
        changed["args"] = [bare(each) for each in node["args"]]
    return {**node, **changed}


def references(node: Json) -> list[str]:
    """Returns the names of the types that a type's fields, arguments and input fields mention."""
    fields = node.get("fields") or []
    typed = [*fields, *(arg for field in fields for arg in field["args"]), *(node.get("inputFields") or [])]
    return sorted({named(each["type"]) for each in typed})


if __name__ == "__main__":
    with gzip.open(sys.argv[1], "rt", encoding="utf-8") as source:
        sys.stdout.write(prune(json.load(source)["data"]))
