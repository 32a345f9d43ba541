"""The console in a real browser, as staff use it."""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django_otp.oath import totp
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from ops.admin import JobAdmin
from ops.alerting.alerts import raise_alert
from ops.models import Job
from ops.refs import Subject
from skumap.models import SkuMapping
from tests.builders import (
    make_connection,
    make_dead_letter,
    make_job,
    make_mapping,
    make_order,
    make_shop,
    make_warehouse,
)
from tests.fulfillment.order_rows import at_warehouse, in_question, place
from tests.wmsbridge import everyone
from wms.models import Warehouse

# Playwright's event loop runs in this thread, and Django then refuses its synchronous database calls.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PASSWORD = "correct-horse-battery"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.fail("no chromium: `make test` installs it, or apt-get install chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, headless=True, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser, live_server: Any, settings: Any) -> Iterator[Page]:
    """A staff member who has just logged in, on the front page. The browser must complain of nothing, such as a script
    that fails or what the Content-Security-Policy forbids."""
    settings.WHITENOISE_USE_FINDERS = True
    User.objects.create_superuser("ada", password=PASSWORD)
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    context.set_default_timeout(10_000)
    shown = context.new_page()
    complaints: list[str] = []

    def note(said: ConsoleMessage) -> None:
        if said.type == "error":
            complaints.append(f"{shown.url}: {said.text}")

    shown.on("console", note)
    shown.on("pageerror", lambda error: complaints.append(f"{shown.url}: {error}"))
    shown.goto(f"{live_server.url}/admin/")
    shown.fill("[name=username]", "ada")
    shown.fill("[name=password]", PASSWORD)
    shown.click("[type=submit]")
    expect(shown.get_by_role("heading", name="Order submission lag")).to_be_visible()
    yield shown
    context.close()
    assert complaints == []


def picture(page: Page, name: str) -> None:
    """Keep a picture when WMSBRIDGE_PICTURES names a folder."""
    if folder := os.environ.get("WMSBRIDGE_PICTURES"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def test_the_front_page_shows_what_needs_a_person(page: Page) -> None:
    shop = make_shop()
    for number in range(3):
        make_dead_letter(error=f"WMS does not know item MUG-{number}", subject=f"order:1:500{number}")
        make_order(shop, state="held", reason="unmapped_sku")
    make_job(lane="shop:berlin.myshopify.com")
    raise_alert(
        "unmapped_sku",
        subject=Subject("sku:b:1"),
        title="TEE-S is not mapped",
        meaning="m",
        action="Map it to an item.",
    )
    page.reload()
    expect(page.locator("[data-metric]")).to_have_count(6)
    expect(page.locator("[data-metric=dead_letter_depth]")).to_have_attribute("data-tone", "danger")
    expect(page.get_by_role("link", name="TEE-S is not mapped")).to_be_visible()
    picture(page, "front-page")


def test_a_dead_letter_is_read_and_replayed(page: Page) -> None:
    job = make_dead_letter(error="WMS does not know item MUG", payload={"order": 5, "email": "a@b.example"})
    page.reload()
    page.get_by_role("link", name="1 dead letter", exact=True).click()
    picture(page, "dead-letters")
    page.locator(f"a[href*='/ops/job/{job.id}/change']").first.click()
    expect(page.get_by_text("WMS does not know item MUG").first).to_be_visible()
    expect(page.get_by_text("a@b.example")).to_have_count(0)
    picture(page, "dead-letter")
    expect(page.get_by_text("Its work is to place the order at the warehouse.")).to_be_visible()
    page.get_by_role("button", name="Replay").click()
    expect(page.get_by_text("1 dead letters replayed.")).to_be_visible()
    expect(page.locator("[data-tried]")).to_contain_text("by ada")
    picture(page, "dead-letter-replayed")
    assert Job.objects.get(id=job.id).state == "ready"


def test_all_dead_letters_that_match_are_replayed_page_by_page_or_at_once(
    page: Page, live_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(JobAdmin, "list_per_page", 3)
    jobs = [make_dead_letter() for _ in range(7)] + [make_dead_letter("inventory.push") for _ in range(2)]
    page.goto(f"{live_server.url}/admin/ops/job/?situation=dead&kind=fulfillment.submit")
    page.locator("#action-toggle").check()
    page.get_by_text("Select all that match, on every page").click()
    picture(page, "dead-letters-selected")
    page.locator("select[name=action]").select_option("replay")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_text("7 dead letters replayed.")).to_be_visible()
    page.get_by_role("link", name="Dead letters").click()
    expect(page.get_by_text("2 dead letters match.")).to_be_visible()
    page.get_by_role("button", name="Replay all that match").click()
    expect(page.get_by_text("2 dead letters replayed.")).to_be_visible()
    assert Job.objects.filter(id__in=[job.id for job in jobs], state="ready").count() == 9


def test_a_person_decides_whether_the_wms_has_an_order(page: Page, live_server: Any) -> None:
    warehouse = place()
    row, other = in_question(warehouse), at_warehouse(warehouse).wms_orders.get()
    page.goto(f"{live_server.url}/admin/fulfillment/wmsorder/{row.pk}/change/")
    expect(page.locator("[data-decision]")).to_contain_text(row.external_id)
    picture(page, "decision")
    page.fill("#there_remote_id", other.remote_id)
    page.locator("#there_looked").check()
    page.get_by_role("button", name="It is there under this id").click()
    expect(page.locator("body")).to_contain_text(f"is part 1 of order {other.order.name}")
    page.fill("#there_remote_id", "W77")
    page.locator("#there_looked").check()
    page.get_by_role("button", name="It is there under this id").click()
    expect(page.locator("body")).to_contain_text("Decided: the WMS has it as W77.")
    page.goto(f"{live_server.url}/admin/fulfillment/order/{row.order_id}/change/")
    expect(page.locator("[data-timeline]")).to_contain_text("ada: Decided: the WMS has it as W77.")
    picture(page, "decided")


def test_a_mapping_is_corrected(page: Page, live_server: Any) -> None:
    mapping = make_mapping(make_warehouse(make_shop(), make_connection()), item="MUG-OLD")
    page.goto(f"{live_server.url}/admin/skumap/skumapping/{mapping.id}/change/")
    picture(page, "mapping")
    page.fill("[name=wms_item_code]", "MUG-NEW")
    page.locator("[name=_save]").click()
    expect(page.locator("body")).to_contain_text("was changed successfully")
    assert SkuMapping.objects.get().wms_item_code == "MUG-NEW"


def test_a_warehouse_is_paused_in_the_list(page: Page, live_server: Any) -> None:
    make_warehouse(make_shop(), make_connection())
    page.goto(f"{live_server.url}/admin/wms/warehouse/")
    picture(page, "warehouses")
    page.locator("[name=form-0-paused]").check()
    page.locator("[name=_save]").click()
    expect(page.locator("body")).to_contain_text("was changed successfully")
    assert Warehouse.objects.get().paused


def test_a_lane_is_paused_in_the_list(page: Page, live_server: Any) -> None:
    job = make_job()
    page.goto(f"{live_server.url}/admin/ops/lane/")
    picture(page, "lanes")
    page.locator("[name=form-0-paused]").check()
    page.locator("[name=_save]").click()
    expect(page.locator("body")).to_contain_text("was changed successfully")
    job.lane.refresh_from_db()
    assert job.lane.paused


def test_a_screen_reader_hears_no_names_of_icons(page: Page, live_server: Any) -> None:
    make_warehouse(make_shop(), make_connection())
    for address in ("/admin/", "/admin/wms/warehouse/", "/admin/ops/job/?situation=dead"):
        page.goto(live_server.url + address)
        expect(page.locator(".material-symbols-outlined[aria-hidden=true]").first).to_be_attached()
        expect(page.locator(".material-symbols-outlined:not([aria-hidden=true])")).to_have_count(0)
    expect(page.get_by_role("link", name="Orders", exact=True)).to_be_visible()
    expect(page.get_by_text("There are no dead letters")).to_be_visible()
    picture(page, "no-dead-letters")


def test_a_second_factor_is_set_up_and_asked_for_at_the_next_log_in(page: Page, live_server: Any) -> None:
    page.get_by_text("ada", exact=True).click()
    page.get_by_role("link", name="Second factor").click()
    page.get_by_role("button", name="Set it up").click()
    expect(page.get_by_alt_text("QR code with the secret that is written below")).to_be_visible()
    picture(page, "second-factor")
    key = base64.b32decode((page.locator("[data-secret]").text_content() or "").replace(" ", ""))
    page.fill("[name=code]", f"{totp(key, drift=-1):06d}")
    page.get_by_role("button", name="Switch it on").click()
    expect(page.locator("[data-recovery-codes] li")).to_have_count(10)
    picture(page, "recovery-codes")
    page.context.clear_cookies()
    page.goto(f"{live_server.url}/admin/ops/lane/")
    page.fill("[name=username]", "ada")
    page.fill("[name=password]", PASSWORD)
    page.click("[type=submit]")
    expect(page.get_by_label("Code of your authenticator app")).to_be_focused()
    picture(page, "code")
    page.keyboard.type(f"{totp(key):06d}")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{live_server.url}/admin/ops/lane/")


def test_no_list_and_no_form_breaks_the_policy(page: Page, live_server: Any) -> None:
    opened = 0
    for each in everyone.places(everyone.make_world()):
        if each.verb in ("changelist", "change"):
            answer = page.goto(f"{live_server.url}{each.url}", wait_until="domcontentloaded")
            opened += answer is not None and answer.ok
    assert opened > 30
