"""Ids as other systems give them, for tests of references: with colons, slashes, spaces, or just our own words."""

from __future__ import annotations

from hypothesis import strategies as st

rows = st.integers(1, 2**63 - 1)
"""Ids of ours, and Shopify's."""

slugs = st.from_regex(r"[-a-zA-Z0-9_]{1,50}", fullmatch=True)
"""Connections."""

domains = st.from_regex(r"[a-z0-9][a-z0-9-]{0,30}\.myshopify\.com", fullmatch=True)

foreign_ids = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=200
)
hostile_ids = st.one_of(
    foreign_ids,
    st.lists(
        st.sampled_from([":", "/in", "return", "order", "wms", "5", "x.myshopify.com", " ", "=", "#"]),
        min_size=1,
    ).map("".join),
)
"""Ids of a WMS: it may call a thing whatever it likes."""
