from __future__ import annotations

from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import call_command

from ops.secrets import SecretUnreadable
from shops.models import Shop
from tests.builders import make_connection, make_order, make_shop
from wms.models import Connection

pytestmark = pytest.mark.django_db


def test_after_a_rotation_the_old_key_is_not_needed_any_more(settings: Any) -> None:
    make_order(make_shop(), ship_to='{"name": "Ada"}')
    make_connection()
    old, new = settings.FIELD_ENCRYPTION_KEYS[0], Fernet.generate_key().decode()
    settings.FIELD_ENCRYPTION_KEYS = [new, old]
    call_command("rotate_keys")
    settings.FIELD_ENCRYPTION_KEYS = [new]
    assert Shop.objects.get().access_token == "shpat_test"
    assert Connection.objects.get().token == "wms-token"


def test_without_it_it_is(settings: Any) -> None:
    make_shop()
    settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(SecretUnreadable):
        _ = Shop.objects.get().access_token
