"""A merchant changes or deletes a variant. Shopify has no webhook topic about variants."""

from sandbox.shopify.state.catalogue import Variant
from sandbox.shopify.state.shop import Shop
from sandbox.shopify.state.times import now
from sandbox.shopify.webhooks.catalogue_bodies import item_body, product_body
from sandbox.shopify.webhooks.signing import new_event
from sandbox.shopify.world import World


def change_sku(world: World, shop: Shop, variant: Variant, sku: str | None) -> None:
    """Changes the SKU of a variant, which the topics of its product and of its inventory item announce."""
    variant.sku, variant.updated_at = sku, now()
    event = new_event()
    world.announce(shop, "products/update", product_body(shop, variant.product_id), event=event)
    world.announce(shop, "inventory_items/update", item_body(variant), event=event)


def delete_variant(world: World, shop: Shop, variant: Variant) -> None:
    """Deletes a variant with its stock. The order lines that sold it have no variant from then on.

    The orders themselves do not change, so no webhook announces them.
    """
    del shop.variants[variant.id], shop.items[variant.inventory_item_id]
    for key in [key for key, level in shop.levels.items() if level.variant is variant]:
        del shop.levels[key]
    for line in (line for order in shop.orders.values() for line in order.lines):
        if line.variant is variant:
            line.variant = None
    if any(each.product_id == variant.product_id for each in shop.variants.values()):
        body = product_body(shop, variant.product_id)
        world.announce(shop, "products/update", body, event=new_event())
    else:
        world.announce(shop, "products/delete", {"id": variant.product_id}, event=new_event())
