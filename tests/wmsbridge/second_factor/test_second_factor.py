"""The second factor: set up by its owner, asked for at every log-in, spent once, lost without losing the console."""

from __future__ import annotations

import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django_otp.oath import totp

from ops.models import Alert
from wmsbridge.second_factor import enrolment
from wmsbridge.second_factor.models import Authenticator

pytestmark = pytest.mark.django_db

PASSWORD = "a-long-password"
PAGE, CODE, LOG_IN = "/admin/second-factor/", "/admin/second-factor/code/", "/admin/login/"
WRONG = "000000"


@pytest.fixture
def ada() -> User:
    return User.objects.create_superuser("ada", password=PASSWORD)


def code_of(user: User, *, steps: int = 0) -> str:
    """What the user's app shows now, or so many steps of 30 seconds later."""
    key = bytes.fromhex(Authenticator.objects.get(user=user).key)
    return f"{totp(key, drift=steps):06d}"


@pytest.fixture
def codes(ada: User) -> list[str]:
    """Ada has a second factor, confirmed with a code of long ago; her recovery codes."""
    enrolment.begin(ada)
    row = Authenticator.objects.get(user=ada)
    assert enrolment.confirm(ada, code_of(ada, steps=-1)) == row
    return enrolment.new_recovery_codes(row)


def after_the_password(name: str = "ada", **headers: str) -> Client:
    client = Client(headers=headers)
    answer = client.post(
        f"{LOG_IN}?next=/admin/ops/job/", {"username": name, "password": PASSWORD}, secure=True
    )
    assert answer.status_code == 302
    return client


def enter(client: Client, code: str) -> Any:
    return client.post(CODE, {"code": code}, secure=True)


def is_in(client: Client) -> bool:
    return client.get("/admin/ops/job/", secure=True).status_code == 200


def forget_wrong_codes() -> None:
    """As if time had passed: a test does not wait."""
    Authenticator.objects.update(throttling_failure_timestamp=None, throttling_failure_count=0)


def test_a_person_sets_it_up_confirms_it_and_is_shown_recovery_codes_once(ada: User) -> None:
    client = after_the_password()
    assert 'data-second-factor="off"' in client.get(PAGE, secure=True).content.decode()
    client.post(PAGE, {"step": "begin"}, secure=True)
    page = client.get(PAGE, secure=True).content.decode()
    secret = re.sub(r"\s", "", re.search(r"data-secret>([A-Z2-7 ]+)<", page).group(1))  # type: ignore[union-attr]
    assert secret == enrolment.secret(Authenticator.objects.get())
    assert "data:image/svg+xml" in page
    assert is_in(after_the_password())  # not before it is confirmed
    assert (
        "This code is wrong"
        in client.post(PAGE, {"step": "confirm", "code": WRONG}, secure=True).content.decode()
    )
    forget_wrong_codes()
    done = client.post(PAGE, {"step": "confirm", "code": code_of(ada)}, secure=True)
    shown = re.findall(r"<code>((?:[a-z2-7]{4}-){3}[a-z2-7]{4})</code>", done.content.decode())
    assert len(set(shown)) == enrolment.RECOVERY_CODES
    assert is_in(client)
    again = client.get(PAGE, secure=True)
    assert shown[0] not in again.content.decode()
    assert "no-store" in done.headers["Cache-Control"]
    assert LogEntry.objects.get().change_message == "Second factor switched on."


def test_the_log_in_asks_for_the_code_and_goes_where_it_was_to_go(ada: User, codes: list[str]) -> None:
    client = after_the_password()
    assert not is_in(client)
    answer = enter(client, code_of(ada))
    assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/ops/job/")
    assert is_in(client)


def test_who_has_none_is_not_asked(ada: User) -> None:
    assert is_in(after_the_password())


def test_a_code_is_taken_once(ada: User, codes: list[str]) -> None:
    code = code_of(ada)
    assert enter(after_the_password(), code).status_code == 302
    assert b"was used before" in enter(after_the_password(), code).content
    forget_wrong_codes()
    enter(after_the_password(), codes[0])
    assert b"was used before" in enter(after_the_password(), codes[0]).content


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("which", ["code", "recovery code"])
def test_a_code_is_taken_once_by_two_at_the_same_time(ada: User, codes: list[str], which: str) -> None:
    code = code_of(ada) if which == "code" else codes[0].replace("-", "")
    together = threading.Barrier(4)

    def enters(_: int) -> bool:
        try:
            together.wait(5)
            return enrolment.verify(ada, code) is not None
        except enrolment.TooSoon:
            return False
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(enters, range(4))) == [False, False, False, True]


def test_the_code_that_confirmed_it_opens_nothing(ada: User) -> None:
    enrolment.begin(ada)
    code = code_of(ada)
    assert enrolment.confirm(ada, code) is not None
    assert not is_in_after(ada, code)


def is_in_after(user: User, code: str) -> bool:
    client = after_the_password(user.username)
    enter(client, code)
    return is_in(client)


def test_a_recovery_code_opens_is_written_as_people_write_and_is_told(ada: User, codes: list[str]) -> None:
    client = after_the_password()
    enter(client, f" {codes[3].upper().replace('-', ' ')} ")
    assert "9 are left" in client.get("/admin/", secure=True).content.decode()
    assert LogEntry.objects.filter(change_message="A recovery code was used, 9 are left.").count() == 1


def test_neither_secret_nor_recovery_codes_lie_in_the_database(ada: User, codes: list[str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT a::text || r::text FROM second_factor_authenticator a, second_factor_recoverycode r"
        )
        stored = " ".join(text for (text,) in cursor.fetchall())
    assert Authenticator.objects.get().key not in stored
    assert not [code for code in codes if code in stored or code.replace("-", "") in stored]


def test_each_wrong_code_makes_the_next_wait_longer_and_the_right_one_too(
    ada: User, codes: list[str]
) -> None:
    client = after_the_password()
    for _ in range(2):
        Authenticator.objects.update(throttling_failure_timestamp=None)
        enter(client, WRONG)
    assert b"Wait 2 seconds" in enter(client, code_of(ada)).content
    assert not is_in(client)


def test_five_wrong_codes_lock_the_log_in_from_there(ada: User, codes: list[str]) -> None:
    client = after_the_password()
    for _ in range(4):
        forget_wrong_codes()
        assert enter(client, WRONG).status_code == 200
    forget_wrong_codes()
    assert enter(client, WRONG).status_code == 429
    forget_wrong_codes()
    assert enter(client, code_of(ada)).status_code == 429
    assert Client().post(LOG_IN, {"username": "ada", "password": PASSWORD}, secure=True).status_code == 429
    assert Alert.objects.get(kind="log_in_locked").subject == "user:ada"


def test_the_right_password_alone_forgives_no_wrong_code(ada: User, codes: list[str]) -> None:
    for _ in range(4):
        forget_wrong_codes()
        enter(after_the_password(), WRONG)
    forget_wrong_codes()
    assert enter(after_the_password(), WRONG).status_code == 429


def test_staff_are_told_when_codes_are_guessed_from_everywhere(ada: User, codes: list[str]) -> None:
    for _ in range(enrolment.GUESSES):
        Authenticator.objects.update(throttling_failure_timestamp=None)
        assert enrolment.verify(ada, WRONG) is None
    alert = Alert.objects.get(kind="second_factor_guessed")
    assert (alert.subject, alert.state) == ("user:ada", "open")
    forget_wrong_codes()
    assert enrolment.verify(ada, code_of(ada)) is not None
    alert.refresh_from_db()
    assert alert.state == "closed"


def test_wrong_codes_while_it_is_set_up_are_nobodys_guesses(ada: User) -> None:
    enrolment.begin(ada)
    for _ in range(enrolment.GUESSES):
        Authenticator.objects.update(throttling_failure_timestamp=None)
        assert enrolment.confirm(ada, WRONG) is None
    assert Authenticator.objects.get().throttling_failure_count == enrolment.GUESSES
    assert not Alert.objects.exists()


def test_nobody_learns_from_the_log_in_who_has_a_second_factor(ada: User, codes: list[str]) -> None:
    User.objects.create_superuser("bob", password=PASSWORD)
    said = [
        Client().post(LOG_IN, {"username": name, "password": "guess"}, secure=True).content.decode()
        for name in ("ada", "bob", "nobody")
    ]
    plain = [re.sub(r'name="csrfmiddlewaretoken" value="\w+"|ada|bob|nobody', "", page) for page in said]
    assert plain[0] == plain[1] == plain[2]
    assert Client().get(CODE, secure=True).headers["Location"] == LOG_IN


def test_the_step_between_ends_with_time_and_with_the_password(
    ada: User, codes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    late, changed = after_the_password(), after_the_password()
    ada.set_password("another-long-password")
    ada.save()
    assert enter(changed, codes[0]).headers["Location"] == LOG_IN
    now = time.time()
    monkeypatch.setattr("wmsbridge.second_factor.log_in.time.time", lambda: now + 601)
    assert enter(late, codes[0]).headers["Location"] == LOG_IN


def test_sessions_from_before_are_out_until_the_code_was_given(ada: User) -> None:
    before = after_the_password()
    assert is_in(before)
    enrolment.begin(ada)
    enrolment.confirm(ada, code_of(ada))
    assert not is_in(before)
    assert before.get("/api/schema/", secure=True).status_code in (401, 403)
    assert before.post(PAGE, {"step": "off", "password": PASSWORD}, secure=True).status_code == 302
    assert Authenticator.objects.filter(confirmed=True).exists()


@pytest.mark.parametrize("given", ["code", "recovery code", "password"])
def test_switching_off_takes_a_code_or_the_password(ada: User, codes: list[str], given: str) -> None:
    client = after_the_password()
    enter(client, codes[0])
    wrong = {"step": "off", "code": "", "password": "guess"}
    assert "not your password" in client.post(PAGE, wrong, secure=True).content.decode()
    assert "Enter a code" in client.post(PAGE, {"step": "off"}, secure=True).content.decode()
    assert enrolment.of(ada)
    right = {
        "code": {"code": code_of(ada)},
        "recovery code": {"code": codes[1]},
        "password": {"password": PASSWORD},
    }
    assert client.post(PAGE, {"step": "off", **right[given]}, secure=True).status_code == 302
    assert enrolment.of(ada) is None
    assert is_in(client)
    assert is_in(after_the_password())


def test_new_recovery_codes_take_a_code_and_void_the_old(ada: User, codes: list[str]) -> None:
    client = after_the_password()
    enter(client, codes[0])
    assert (
        "This code is wrong"
        in client.post(PAGE, {"step": "renew", "code": WRONG}, secure=True).content.decode()
    )
    forget_wrong_codes()
    page = client.post(PAGE, {"step": "renew", "code": code_of(ada)}, secure=True).content.decode()
    fresh = re.findall(r"<code>([a-z2-7-]{19})</code>", page)
    assert enrolment.verify(ada, codes[1].replace("-", "")) is None
    forget_wrong_codes()
    assert enrolment.verify(ada, fresh[0].replace("-", "")) is not None


def test_where_it_is_required_there_is_nothing_else_before(ada: User, settings: Any) -> None:
    settings.REQUIRE_SECOND_FACTOR = True
    client = after_the_password()
    for address in ("/admin/", "/admin/ops/job/", "/admin/password_change/"):
        answer = client.get(address, secure=True, follow=True)
        assert answer.redirect_chain[-1][0] == PAGE
        assert "data-must" in answer.content.decode()
        assert "/admin/ops/" not in answer.content.decode()
    assert client.get("/api/schema/", secure=True).status_code in (401, 403)
    client.post(PAGE, {"step": "begin"}, secure=True)
    client.post(PAGE, {"step": "confirm", "code": code_of(ada)}, secure=True)
    assert is_in(client)


def test_whoever_must_set_it_up_can_leave(ada: User, settings: Any) -> None:
    settings.REQUIRE_SECOND_FACTOR = True
    client = after_the_password()
    client.post("/admin/logout/", secure=True)
    assert client.get(PAGE, secure=True).headers["Location"].startswith(LOG_IN)


def test_an_administrator_resets_a_lost_one_and_the_history_tells(
    ada: User, codes: list[str], admin_client: Client, admin_user: User
) -> None:
    act = {"action": "reset_second_factor", "_selected_action": [ada.pk]}
    answer = admin_client.post("/admin/auth/user/", act, follow=True)
    assert "1 second factors reset." in answer.content.decode()
    assert is_in(after_the_password())
    entry = LogEntry.objects.get(change_message="Second factor reset.")
    assert (entry.user, entry.object_id) == (admin_user, str(ada.pk))


@pytest.mark.parametrize(("superuser", "left"), [(True, True), (False, False)])
def test_only_a_superuser_resets_a_superuser(
    ada: User, codes: list[str], superuser: bool, left: bool
) -> None:
    User.objects.filter(pk=ada.pk).update(is_superuser=superuser)
    support = User.objects.create_user("support", password="x", is_staff=True)
    support.user_permissions.add(
        *Permission.objects.filter(codename__in=["view_user", "change_user", "reset_second_factor"])
    )
    client = Client()
    client.force_login(support)
    client.post("/admin/auth/user/", {"action": "reset_second_factor", "_selected_action": [ada.pk]})
    assert (enrolment.of(ada) is not None) == left


def test_without_the_right_nobody_resets(ada: User, codes: list[str]) -> None:
    client = Client()
    support = User.objects.create_user("support", password="x", is_staff=True)
    support.user_permissions.add(*Permission.objects.filter(codename__in=["view_user", "change_user"]))
    client.force_login(support)
    client.post("/admin/auth/user/", {"action": "reset_second_factor", "_selected_action": [ada.pk]})
    assert enrolment.of(ada) is not None


def test_the_command_lets_the_only_administrator_in_again(ada: User, codes: list[str]) -> None:
    call_command("reset_second_factor", "ada")
    assert is_in(after_the_password())
    assert "manage.py" in str(LogEntry.objects.latest("id").change_message)
    for name in ("ada", "nobody"):
        with pytest.raises(CommandError):
            call_command("reset_second_factor", name)


def test_it_is_encrypted_anew_with_the_other_secrets(ada: User, codes: list[str], settings: Any) -> None:
    old, new = settings.FIELD_ENCRYPTION_KEYS[0], Fernet.generate_key().decode()
    settings.FIELD_ENCRYPTION_KEYS = [new, old]
    call_command("rotate_keys")
    settings.FIELD_ENCRYPTION_KEYS = [new]
    assert enrolment.verify(ada, code_of(ada)) is not None


def test_a_secret_that_cannot_be_read_is_told_and_recovery_codes_still_open(
    ada: User, codes: list[str], settings: Any
) -> None:
    code, before = code_of(ada), settings.FIELD_ENCRYPTION_KEYS[0]
    settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    client = after_the_password()
    assert enter(client, code).status_code == 200
    assert Alert.objects.get(kind="secret_unreadable").subject == "user:ada"
    enter(client, codes[0])
    assert is_in(client)
    settings.FIELD_ENCRYPTION_KEYS = [*settings.FIELD_ENCRYPTION_KEYS, before]
    assert enrolment.verify(ada, code) is not None
    assert Alert.objects.get(kind="secret_unreadable").state == "closed"


def test_a_secret_copied_to_another_person_opens_nothing(ada: User, codes: list[str]) -> None:
    code = code_of(ada)
    bob = User.objects.create_superuser("bob", password=PASSWORD)
    Authenticator.objects.filter(user=ada).update(user=bob)
    assert enrolment.verify(bob, code) is None


def test_a_door_and_a_probe_ask_nothing_of_it(django_assert_num_queries: Any, client: Client) -> None:
    with django_assert_num_queries(0):
        assert client.get("/healthz", secure=True).status_code == 200
