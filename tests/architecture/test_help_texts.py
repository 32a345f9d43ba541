"""Each field says in a sentence what it means: staff read it beside the field in the admin."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.apps import apps
from django.db.models import Field, Model

from tests.architecture.layers import APPS


def _declared_elsewhere(model: type[Model], field: Field) -> bool:
    """Whether another package's abstract model brings the field along: its words are not ours."""
    foreign = [base for base in model.__mro__ if base.__module__.partition(".")[0] not in APPS]
    return any(
        field.name in {each.name for each in base._meta.fields} for base in foreign if hasattr(base, "_meta")
    )


def _fields() -> Iterator[tuple[str, Field]]:
    for model in apps.get_models():
        if model.__module__.partition(".")[0] in APPS:
            for field in model._meta.local_fields:
                if field.name != "id" and not _declared_elsewhere(model, field):
                    yield f"{model._meta.label}.{field.name}", field


FIELDS = dict(_fields())


def test_the_fields_of_every_app_are_looked_at() -> None:
    assert {label.partition(".")[0] for label in FIELDS} == {
        "fulfillment",
        "inventory",
        "ops",
        "second_factor",
        "shops",
        "skumap",
        "wms",
    }


@pytest.mark.parametrize("label", FIELDS)
def test_help_text_is_a_sentence(label: str) -> None:
    field = FIELDS[label]
    text = str(field.help_text)
    words = text.lower().rstrip(".").split()
    assert text[:1].isupper(), text
    assert text.endswith("."), text
    assert len(words) >= 4, text
    assert set(words) - {"a", "is", "of", "the", "this"} - set(str(field.verbose_name).lower().split()), text
