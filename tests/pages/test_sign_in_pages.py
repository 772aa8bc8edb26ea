"""Signing in, one-time links and the account, as a browser meets them: forms over HTTP, without any
script.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
import time
from collections.abc import AsyncIterator
from urllib.parse import quote, urlsplit

import httpx
import pyotp
import pytest

from almoner.access import (
    accounts,
    attempts,
    half_sessions,
    recovery_codes,
    reset_links,
    second_factor,
    sessions,
)
from almoner.access.half_sessions import HalfSession
from almoner.access.key_file import KeySource
from almoner.access.secrets import SecretBox
from almoner.access.sessions import csrf
from almoner.access.sign_in_steps import SignedIn
from almoner.data_api.store import Store
from almoner.database import Database
from almoner.errors import SettingError
from almoner.settings import Settings
from tests.access.door import BY, PASSWORD, Door, Worker
from tests.access.provider import CLIENT_ID, CLIENT_SECRET, Provider
from tests.conftest import Server, ServerThread, free_port
from tests.people import People
from tests.plain_http import NO_CERTIFICATES, PlainHttp
from tests.web.document import Document

NEW = "seven herons on a pond"

_ADDRESSES = itertools.count()


@pytest.fixture
def door(database: Database, store: Store, settings: Settings) -> Door:
    return Door(database, store, SecretBox(*KeySource("", settings.home).first()), now=time.time())


@pytest.fixture
async def emily(door: Door, environment: int) -> Worker:
    await door.worker(environment)  # somebody else
    return await door.worker(environment)


def from_anywhere(server: Server) -> httpx.AsyncClient:
    """A browser at an address of its own: failures count by address, and those of one test must not
    slow down the next.
    """
    number = next(_ADDRESSES)
    transport = httpx.AsyncHTTPTransport(
        verify=NO_CERTIFICATES, local_address=f"127.1.{number // 250}.{number % 250 + 1}"
    )
    return PlainHttp(base_url=server.url, transport=transport)


@pytest.fixture
async def browser_of(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with from_anywhere(server) as browser:
        yield browser


def filled_in(worker: Worker, password: str = PASSWORD, **more: str) -> dict[str, str]:
    return {"environment": worker.environment, "email": worker.email, "password": password, **more}


def codes_of(page: str) -> list[str]:
    return re.findall(r"<li><code>([a-z0-9-]{19})</code></li>", page)


def csrf_of(page: str) -> str:
    match = re.search(r'name="csrf" value="([0-9a-f]{128})"', page)
    assert match is not None
    return match[1]


async def entered(browser: httpx.AsyncClient, worker: Worker) -> httpx.AsyncClient:
    answer = await browser.post("/sign-in", data=filled_in(worker))
    assert answer.status_code == 303
    return browser


async def send(
    browser: httpx.AsyncClient, path: str, page: str = "/account", **values: str
) -> httpx.Response:
    answer = await browser.get(page)
    return await browser.post(path, data={"csrf": csrf_of(answer.text), **values})


async def test_a_worker_signs_in_goes_on_to_where_they_wanted_and_signs_out(
    browser_of: httpx.AsyncClient, emily: Worker
) -> None:
    response = await browser_of.get("/account")
    assert response.headers["location"] == "/sign-in?next=%2Faccount"
    form = await browser_of.get(response.headers["location"])
    assert Document(form).field("next").value == "/account"
    answer = await browser_of.post("/sign-in", data=filled_in(emily, next="/account"))
    assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    cookie = next(c for c in answer.headers.get_list("set-cookie") if "almoner_session" in c)
    assert "HttpOnly" in cookie
    assert "samesite=lax" in cookie.lower()
    page = await browser_of.get("/account")
    assert emily.email in page.text
    token = browser_of.cookies["almoner_session"]
    out = await send(browser_of, "/sign-out")
    assert out.headers["location"] == "/signed-out"
    assert Document(await browser_of.get("/signed-out")).heading("You are signed out")
    browser_of.cookies.set("almoner_session", token)
    assert (await browser_of.get("/account")).status_code == 303


async def test_a_refusal_keeps_what_was_typed_but_the_password(
    browser_of: httpx.AsyncClient, emily: Worker
) -> None:
    answer = await browser_of.post("/sign-in", data=filled_in(emily, "wrong password here"))
    assert answer.status_code == 403
    assert Document(answer).alert("not right")
    assert emily.email in answer.text
    assert emily.environment in answer.text
    assert not Document(answer).mentions("wrong password here")
    assert "almoner_session" not in browser_of.cookies


@pytest.mark.parametrize(
    "target",
    [
        "https://elsewhere.example/",
        "//elsewhere.example",
        "/\\elsewhere.example",
        "javascript:alert(1)",
        "//[",
        "/\t/elsewhere.example",
    ],
)
async def test_nobody_is_sent_to_another_site(
    browser_of: httpx.AsyncClient, emily: Worker, target: str
) -> None:
    answer = await browser_of.post("/sign-in", data=filled_in(emily, next=target))
    assert answer.headers["location"] == "/"


async def test_a_form_of_another_site_is_refused(
    browser_of: httpx.AsyncClient, emily: Worker
) -> None:
    answer = await browser_of.post(
        "/sign-in", data=filled_in(emily), headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert answer.status_code == 403
    assert "almoner_session" not in browser_of.cookies


async def test_a_code_is_asked_for_after_the_password(
    browser_of: httpx.AsyncClient, door: Door, emily: Worker
) -> None:
    assert (await browser_of.get("/sign-in/code")).headers["location"] == "/sign-in"
    await door.with_factor(emily)
    first = await browser_of.post("/sign-in", data=filled_in(emily, next="/account"))
    assert first.headers["location"] == "/sign-in/code"
    assert "almoner_session" not in browser_of.cookies
    assert Document(await browser_of.get("/sign-in/code")).field("code")
    wrong = await browser_of.post("/sign-in/code", data={"code": "000000"})
    assert wrong.status_code == 403
    answer = await browser_of.post("/sign-in/code", data={"code": pyotp.TOTP(emily.secret).now()})
    assert answer.headers["location"] == "/account"
    assert (await browser_of.get("/account")).status_code == 200
    assert "almoner_half" not in browser_of.cookies


async def test_a_second_factor_that_a_role_asks_for_is_set_up_on_the_way_in(
    browser_of: httpx.AsyncClient, door: Door, emily: Worker
) -> None:
    async with door.database.connection() as connection:
        stored = await connection.fetchval(
            "SELECT password_hash FROM worker_accounts WHERE worker_id = $1", emily.id
        )
    half = HalfSession(
        emily.environment_id, emily.id, "set-up", half_sessions.bound_to(stored), time.time() + 300
    )
    browser_of.cookies.set("almoner_half", half_sessions.sealed(door.box, half))
    assert await door.sign_in.new_factor(half_sessions.sealed(door.box, half)) is not None
    page = await browser_of.get("/sign-in/set-up")
    assert Document(page).get("img", "A picture for the app")
    key = re.search(r'id="key">([A-Z2-7 ]+)<', page.text)
    assert key is not None
    emily.secret = key[1].replace(" ", "")
    wrong = await browser_of.post("/sign-in/set-up", data={"code": "000000"})
    assert wrong.status_code == 403
    assert key[1] in wrong.text
    answer = await browser_of.post("/sign-in/set-up", data={"code": pyotp.TOTP(emily.secret).now()})
    assert (answer.status_code, len(codes_of(answer.text))) == (200, 10)
    assert "almoner_session" in browser_of.cookies


async def test_a_link_sets_a_password_once(
    browser_of: httpx.AsyncClient, door: Door, emily: Worker
) -> None:
    async with door.database.connection() as connection:
        path = reset_links.path(
            await reset_links.make(connection, emily.environment_id, emily.id, BY)
        )
    page = await browser_of.get(path)
    assert "Emily Smith" in Document(page).main()
    assert page.headers["cache-control"] == "no-store"
    short = await browser_of.post(path, data={"password": "short", "again": "short"})
    assert (short.status_code, Document(short).field("password").error != "") == (422, True)
    unlike = await browser_of.post(path, data={"password": NEW, "again": "another thing"})
    assert (unlike.status_code, Document(unlike).field("again").error != "") == (422, True)
    done = await browser_of.post(path, data={"password": NEW, "again": NEW})
    assert Document(done).links(to="/sign-in")
    assert (await browser_of.get(path)).status_code == 404
    assert (await browser_of.post(path, data={"password": NEW, "again": NEW})).status_code == 404
    assert (await browser_of.post("/sign-in", data=filled_in(emily, NEW))).status_code == 303


async def test_a_password_is_changed_by_who_knows_it_and_other_sessions_end(
    browser_of: httpx.AsyncClient, server: Server, emily: Worker
) -> None:
    async with from_anywhere(server) as elsewhere:
        await entered(elsewhere, emily)
        await entered(browser_of, emily)
        wrong = await send(browser_of, "/account/password", current="wrong", new=NEW, again=NEW)
        assert (wrong.status_code, Document(wrong).field("current").error != "") == (422, True)
        stolen = browser_of.cookies["almoner_session"]
        weak = await send(
            browser_of, "/account/password", current=PASSWORD, new="short", again="other"
        )
        assert (
            weak.status_code,
            Document(weak).field("new").error != "",
            Document(weak).field("again").error != "",
        ) == (
            422,
            True,
            True,
        )
        done = await send(browser_of, "/account/password", current=PASSWORD, new=NEW, again=NEW)
        assert done.headers["location"] == "/account?done=password"
        assert browser_of.cookies["almoner_session"] != stolen
        elsewhere.cookies.set("almoner_session", stolen)
        thief = await elsewhere.get("/account")
        assert thief.headers["location"].startswith("/sign-in")
        assert Document(await browser_of.get(done.headers["location"])).status(
            "password is changed"
        )
        assert (await elsewhere.get("/account")).status_code == 303


async def test_what_the_provider_vouched_for_holds_on_in_the_session_that_follows_a_changed_password(
    browser_of: httpx.AsyncClient, door: Door, emily: Worker
) -> None:
    vouched = "UPDATE worker_sessions SET provider_factor = $2 WHERE worker_id = $1"
    factors = []
    for factor, old, new in ((True, PASSWORD, NEW), (False, NEW, PASSWORD)):
        assert (await browser_of.post("/sign-in", data=filled_in(emily, old))).status_code == 303
        async with door.database.connection() as connection:
            await connection.execute(vouched, emily.id, factor)
            await send(browser_of, "/account/password", current=old, new=new, again=new)
            factors += await connection.fetch(
                "SELECT provider_factor FROM worker_sessions WHERE worker_id = $1", emily.id
            )
    assert [row[0] for row in factors] == [True, False]


async def test_a_second_factor_is_set_up_and_removed_in_the_account(
    browser_of: httpx.AsyncClient, door: Door, emily: Worker
) -> None:
    before = await door.knock(emily)
    assert isinstance(before, SignedIn)
    await entered(browser_of, emily)
    assert (await browser_of.get("/account/second-factor")).headers["location"] == "/account"
    wrong = await send(browser_of, "/account/second-factor/begin", factor_password="wrong")
    assert wrong.status_code == 422
    begun = await send(browser_of, "/account/second-factor/begin", factor_password=PASSWORD)
    page = await browser_of.get(begun.headers["location"])
    async with door.database.connection() as connection:
        secret = await second_factor.pending(connection, door.box, emily.environment_id, emily.id)
    assert secret is not None
    assert " ".join(re.findall("....", secret)) in page.text
    assert (
        await send(browser_of, "/account/second-factor", "/account/second-factor", code="000000")
    ).status_code == 422
    code = pyotp.TOTP(secret).now()
    done = await send(browser_of, "/account/second-factor", "/account/second-factor", code=code)
    assert (done.status_code, len(codes_of(done.text))) == (200, 10)
    # Who came in without one has no session any more, and the page after it works under the new
    # one.
    assert await door.session(before.token) is None
    assert "10 recovery codes left" in Document(
        await browser_of.get("/account?done=factor")
    ).region("Second factor")
    page_after = await browser_of.get("/account")
    assert secret not in page_after.text
    assert not any(code in page_after.text for code in codes_of(done.text))
    removed = await send(browser_of, "/account/second-factor/remove", factor_password=PASSWORD)
    assert removed.headers["location"] == "/account?done=removed"
    assert (await door.events(emily))[-3:] == [
        "second factor set",
        "recovery codes made",
        "second factor removed",
    ]


async def test_a_recovery_code_lets_in_who_has_no_phone(
    browser_of: httpx.AsyncClient, door: Door, emily: Worker
) -> None:
    await door.with_factor(emily)
    assert (await browser_of.get("/sign-in/recovery")).headers["location"] == "/sign-in"
    await browser_of.post("/sign-in", data=filled_in(emily))
    async with door.database.connection() as connection:
        codes = await recovery_codes.make(connection, emily.environment_id, emily.id, BY)
    assert Document(await browser_of.get("/sign-in/code")).link(to="/sign-in/recovery")
    wrong = await browser_of.post("/sign-in/recovery", data={"code": "abcd-efgh-jkmn-pqrs"})
    assert (wrong.status_code, Document(wrong).field("code").error != "") == (403, True)
    done = await browser_of.post("/sign-in/recovery", data={"code": codes[0]})
    assert done.headers["location"] == "/account?done=recovered"
    account = await browser_of.get("/account?done=recovered")
    assert "9 recovery codes left" in Document(account).region("Second factor")
    assert "Coach" in Document(account).definition("Roles")
    assert Document(account).status("came in with a recovery code")


async def test_recovery_codes_are_made_anew_by_who_knows_the_password(
    browser_of: httpx.AsyncClient, door: Door, emily: Worker
) -> None:
    await entered(browser_of, emily)
    assert (await send(browser_of, "/account/recovery-codes", codes_password=PASSWORD)).headers[
        "location"
    ] == "/account"
    await door.with_factor(emily)
    assert "You have no recovery codes" in Document(await browser_of.get("/account")).region(
        "Second factor"
    )
    wrong = await send(browser_of, "/account/recovery-codes", codes_password="wrong")
    assert (wrong.status_code, Document(wrong).field("codes_password").error != "") == (422, True)
    answer = await send(browser_of, "/account/recovery-codes", codes_password=PASSWORD)
    assert (answer.status_code, answer.headers["location"]) == (303, "/account/recovery-codes")
    carried = answer.cookies["almoner_codes"]
    page = await browser_of.get("/account/recovery-codes")
    assert (page.status_code, len(codes_of(page.text))) == (200, 10)
    assert quote("\n".join(codes_of(page.text))) in page.text
    assert codes_of(page.text)[0] not in carried
    # To load it again neither shows them nor makes others, which would end those that were just
    # printed.
    assert (await browser_of.get("/account/recovery-codes")).headers["location"] == "/account"
    assert (await door.events(emily)).count("recovery codes made") == 1


async def test_new_recovery_codes_are_shown_to_the_session_that_made_them_alone(
    browser_of: httpx.AsyncClient, door: Door, emily: Worker
) -> None:
    await entered(browser_of, emily)
    await door.with_factor(emily)
    carried = (await send(browser_of, "/account/recovery-codes", codes_password=PASSWORD)).cookies[
        "almoner_codes"
    ]
    async with door.database.connection() as connection:
        token = await sessions.begin(connection, emily.environment_id, emily.id)
    browser_of.cookies.set("almoner_session", token)
    for value in (carried, "none of ours", ""):
        browser_of.cookies.set("almoner_codes", value)
        assert (await browser_of.get("/account/recovery-codes")).headers["location"] == "/account"


async def test_a_wrong_code_is_answered_where_there_is_no_second_connection(
    door: Door, emily: Worker, settings: Settings
) -> None:
    with ServerThread(dataclasses.replace(settings, port=free_port(), connections=1)) as server:
        async with from_anywhere(server) as browser:
            await entered(browser, emily)
            await send(browser, "/account/second-factor/begin", factor_password=PASSWORD)
            wrong = await send(
                browser, "/account/second-factor", "/account/second-factor", code="000000"
            )
            assert (wrong.status_code, Document(wrong).field("code").error != "") == (422, True)


async def test_a_browser_that_has_signed_in_is_not_kept_out_by_strangers(
    browser_of: httpx.AsyncClient, server: Server, emily: Worker
) -> None:
    await entered(browser_of, emily)
    async with from_anywhere(server) as stranger:
        for _ in range(attempts.FREE):
            assert (
                await stranger.post("/sign-in", data=filled_in(emily, "wrong"))
            ).status_code == 403
        assert (await stranger.post("/sign-in", data=filled_in(emily))).status_code == 403
    del browser_of.cookies["almoner_session"]
    await entered(browser_of, emily)


async def test_signing_out_everywhere_ends_this_session_too(
    browser_of: httpx.AsyncClient, server: Server, emily: Worker
) -> None:
    async with from_anywhere(server) as elsewhere:
        await entered(elsewhere, emily)
        await entered(browser_of, emily)
        page = (await browser_of.get("/account")).text
        assert " ".join(page.split()).count("last active") == 2
        out = await send(browser_of, "/account/sign-out-everywhere")
        assert "all devices" in Document(await browser_of.get(out.headers["location"])).main()
        for browser in (browser_of, elsewhere):
            assert (await browser.get("/account")).status_code == 303


async def test_without_a_provider_there_is_no_way_to_one(browser_of: httpx.AsyncClient) -> None:
    assert Document(await browser_of.get("/sign-in")).lacks("form", "/sign-in/provider")
    assert (await browser_of.get("/sign-in/provider")).status_code == 404


async def test_a_worker_signs_in_through_the_companys_provider(
    settings: Settings, door: Door, emily: Worker
) -> None:
    with Provider() as provider:
        provider.email = emily.email
        known = {
            "oidc_issuer": provider.issuer,
            "oidc_client_id": CLIENT_ID,
            "oidc_client_secret": CLIENT_SECRET,
        }
        own = dataclasses.replace(settings, port=free_port(), oidc_name="Example", **known)  # type: ignore[arg-type]
        with ServerThread(own) as server:
            async with from_anywhere(server) as browser:
                assert Document(await browser.get("/sign-in")).form(to="/sign-in/provider")
                asked = {"environment": emily.environment, "next": "/account"}
                on = await browser.get("/sign-in/provider", params=asked)
                url = on.headers["refresh"].removeprefix("0; url=")
                back = urlsplit((await browser.get(url)).headers["location"])
                assert f"{back.scheme}://{back.netloc}" == server.url
                answer = await browser.get(f"{back.path}?{back.query}")
                assert (answer.status_code, answer.headers["location"]) == (303, "/account")
                assert emily.email in (await browser.get("/account")).text
                again = await browser.get(f"{back.path}?{back.query}")
                assert again.status_code == 403
                stranger = await browser.get("/sign-in/provider", params={"environment": "nowhere"})
                returned = urlsplit(
                    (
                        await browser.get(stranger.headers["refresh"].removeprefix("0; url="))
                    ).headers["location"]
                )
                refused = await browser.get(f"{returned.path}?{returned.query}")
                assert (refused.status_code, "no worker" in Document(refused).alert()) == (
                    403,
                    True,
                )
        async with door.database.connection() as connection:
            account = await accounts.find(connection, emily.environment_id, emily.id)
    assert account is not None
    assert account.single_sign_on


async def test_whose_role_opens_doors_sets_up_a_second_factor_on_the_way_in_unless_the_operator_says_otherwise(
    settings: Settings, door: Door, program: int
) -> None:
    """As a deployment does without a word; the demo and the other tests say otherwise."""
    deployed = dataclasses.replace(
        settings, port=free_port(), second_factor_for=Settings().second_factor_for
    )
    expected = {
        ("coach",): "/",
        ("designer",): "/sign-in/set-up",
        ("admin",): "/sign-in/set-up",
        ("coach", "admin"): "/sign-in/set-up",
    }
    statuses = {}
    with ServerThread(deployed) as server:
        for roles in expected:
            worker = await door.worker(program, *roles)
            async with from_anywhere(server) as browser:
                statuses[roles] = (await browser.post("/sign-in", data=filled_in(worker))).headers[
                    "location"
                ]
        async with door.database.connection() as connection:
            token = await sessions.begin(connection, program, worker.id)
        async with PlainHttp(base_url=server.url, cookies={"almoner_session": token}) as earlier:
            assert (await earlier.get("/admin/workers")).headers["location"] == "/account", (
                "a session of before sets it up first"
            )
    assert statuses == expected


async def test_where_passwords_are_turned_off_the_provider_is_the_only_way_in(
    settings: Settings, door: Door, emily: Worker
) -> None:
    async with door.database.connection() as connection:
        link = await reset_links.make(connection, emily.environment_id, emily.id, BY)
        await accounts.set_roles(connection, emily.environment_id, emily.id, ["coach", "admin"], BY)
        token = await sessions.begin(
            connection, emily.environment_id, emily.id, provider_factor=True
        )
    known = {
        "oidc_issuer": "http://127.0.0.1:1",
        "oidc_client_id": "a",
        "oidc_client_secret": "b",
        "passwords": False,
    }
    own = dataclasses.replace(settings, port=free_port(), **known)  # type: ignore[arg-type]
    with ServerThread(own) as server:
        async with from_anywhere(server) as browser:
            page = (await browser.get("/sign-in")).text
            assert Document(page).lacks("field", "password")
            assert Document(page).form(to="/sign-in/provider")
            refused = await browser.post("/sign-in", data=filled_in(emily))
            assert (refused.status_code, "almoner_session" in refused.cookies) == (403, False)
            assert Document(refused).alert("Passwords are turned off here")
            for answer in (
                await browser.get(reset_links.path(link)),
                await browser.post(reset_links.path(link), data={"password": NEW, "again": NEW}),
            ):
                assert (
                    answer.status_code,
                    "Passwords are turned off here" in Document(answer).testid("problem"),
                ) == (
                    403,
                    True,
                )
            browser.cookies.set("almoner_session", token)
            assert Document(await browser.get("/account")).lacks("field", "current")
            changing = {"csrf": csrf(token), "current": PASSWORD, "new": NEW, "again": NEW}
            assert (await browser.post("/account/password", data=changing)).status_code == 403
            # Nobody is invited to set one either.
            for path in ("/admin", "/admin/workers/new", f"/admin/workers/{emily.id}"):
                response = await browser.get(path)
                assert response.status_code == 200, path
                assert (
                    re.search("invit|make a reset link|password of its own", response.text, re.I)
                    is None
                ), path
    assert isinstance(await door.knock(emily), SignedIn), "nothing was changed"


def test_settings_of_signing_in_that_do_not_fit_are_told() -> None:
    for environ, sentence in (
        ({"ALMONER_PASSWORDS": "0"}, "ALMONER_OIDC_ISSUER"),
        ({"ALMONER_SECOND_FACTOR_FOR": "admin"}, "administer, .* none; not admin"),
    ):
        with pytest.raises(SettingError, match=sentence):
            Settings.read(environ)
    assert Settings.read({"ALMONER_SECOND_FACTOR_FOR": "none"}).second_factor_rights == frozenset()


async def test_signing_in_again_ends_the_session_that_the_browser_had(
    browser_of: httpx.AsyncClient, server: Server, door: Door, emily: Worker
) -> None:
    somebody = await door.worker(emily.environment_id)
    other = from_anywhere(server)
    async with other:
        await entered(other, emily)
        await entered(browser_of, emily)
        first = browser_of.cookies["almoner_session"]
        await entered(browser_of, emily)
        second = browser_of.cookies["almoner_session"]
        # Another worker at the same browser ends it as well; sessions of other browsers go on.
        await entered(browser_of, somebody)
        assert len({first, second, browser_of.cookies["almoner_session"]}) == 3
        assert [await door.session(token) for token in (first, second)] == [None, None]
        assert (await browser_of.get("/account")).status_code == 200
        assert (await other.get("/account")).status_code == 200


LANDINGS = {
    ("coach",): "/inbox",
    ("designer",): "/workshop",
    ("admin",): "/admin",
    ("designer", "admin"): "/workshop",
    ("coach", "designer", "admin"): "/inbox",
    ("coach", "admin"): "/inbox",
    ("billing",): "/workshop",
    ("billing", "admin"): "/admin",
    ("nobody in particular",): "/account",
}


async def test_everybody_lands_on_a_page_of_theirs(people: People, program: int) -> None:
    for roles, path in LANDINGS.items():
        async with await people(program, *roles) as person:
            answer = await person.get("/")
            assert answer.headers["location"] == path, roles
            assert (await person.get(path, follow_redirects=True)).status_code == 200, roles
