"""Patients come as ADT messages over a socket: each message is acknowledged once it is kept, done once, and in order."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from almoner.access.worker_events import AT_THE_TERMINAL
from almoner.data_api.writes import Actor
from almoner.errors import unavailable
from almoner.integrations import Integration, again, hl7_listener, installed, jobs
from almoner.integrations.handler import IntegrationHandler
from almoner.integrations.hl7_listener import Inbox, Listener
from almoner.integrations.hl7v2_adt import Hl7v2AdtSettings, hl7v2_adt
from almoner.resources import BY_NAME
from tests.conftest import new_environment
from tests.integrations.conftest import Place
from tests.integrations.mllp import Sender, adt, pid
from tests.notifications.test_tls import certified
from tests.work.doing import running

SETTINGS = {"phase": "intake", "timezone": "US/Eastern", "listen": "127.0.0.1:0"}


@asynccontextmanager
async def listening(place: Place, **more: Any) -> AsyncIterator[int]:
    """The port at which messages of the environment are taken."""
    await place.configure(hl7v2_adt, **{**SETTINGS, **more})
    async with place.database.connection() as connection:
        values = (connection, place.parts.box, place.environment, hl7v2_adt)
        settings = (await installed.configured(*values)).settings
    assert isinstance(settings, Hl7v2AdtSettings)
    inbox = Inbox(place.database, place.store, BY_NAME["integration_tasks"], place.environment)
    listener = Listener(settings, lambda block, cut: inbox.receive(settings, block, cut))
    await listener.open()
    try:
        yield listener.port
    finally:
        await listener.close()


@pytest.fixture
async def port(place: Place) -> AsyncIterator[int]:
    async with listening(place) as number:
        yield number


async def done(place: Place, integration: Integration = hl7v2_adt) -> list[dict[str, Any]]:
    """Does what waits; the top tasks in the order in which they came."""
    async with running(place.database, IntegrationHandler(integration, place.parts)):
        async with asyncio.timeout(20):
            while await place.rows(
                "SELECT id FROM work_steps WHERE environment_id = $1 AND state IN ('ready', 'running') LIMIT 1"
            ):
                await asyncio.sleep(0.02)
    return await place.rows(
        "SELECT t.status, t.errors::text, t.ref_ids, t.user_id::text, s.job_id::text FROM integration_tasks t "
        "JOIN work_steps s ON s.environment_id = t.environment_id AND s.id = t.id "
        "WHERE t.environment_id = $1 ORDER BY s.started_at"
    )


async def people(place: Place) -> list[dict[str, Any]]:
    return await place.rows(
        "SELECT p.*, p.id::text AS user_id FROM patients p WHERE environment_id = $1 "
        "AND id NOT IN (SELECT patient_id FROM patient_merges) ORDER BY created_at"
    )


def code(segments: list[str]) -> str:
    return segments[1].split("|")[1]


async def test_a_patient_is_created_once_and_changed_after_that(place: Place, port: int) -> None:
    other = await new_environment(place.database)
    whole = pid(
        name="O\\X27\\Brien \\T\\ Sön^Zoë~Other^Name^^^^^A",
        address="3265 17th St^#304^San Francisco^CA^94110^USA^H^^San Francisco County",
        phones="(555)555-0123^PRN^PH~^NET^Internet^zoe@example.org~+49 30 1234^PRN^PH",
    )
    async with Sender(port) as sender:
        first = await sender.send(adt("A01", "M1", whole))
        assert first[0].startswith("MSH|^~\\&|ALMONER|CARE|ADT|CLINIC|")
        assert (first[0].split("|")[8], first[1]) == ("ACK^A01^ACK", "MSA|AA|M1")
        again = pid(name="Murray^Zoë", address='3265 17th St^""^Oakland^ON^M5V^CA')
        assert code(await sender.send(adt("A08", "M2", again))) == "AA"
        assert code(await sender.send(adt("A04", "M3", pid("1002", "山田^花子")))) == "AA"
    tasks = await done(place)
    assert [task["status"] for task in tasks] == ["succeeded"] * 3
    zoe, hanako = await people(place)
    assert (zoe["first_name"], zoe["last_name"]) == ("Zoë", "Murray")
    assert (zoe["street"], zoe["street_line_two"], zoe["city"]) == ("3265 17th St", None, "Oakland")
    # A province and a code of another country are not kept here; what was, stays.
    assert (zoe["country"], zoe["zip_code"], zoe["phase"]) == ("CA", "94110", "intake")
    assert (str(zoe["birthday"]), zoe["timezone"]) == ("1906-12-09", "US/Eastern")
    assert (hanako["first_name"], hanako["last_name"]) == ("花子", "山田")
    assert tasks[0]["user_id"] == zoe["user_id"]
    assert tasks[0]["ref_ids"] == ["M1", "CLINIC:1001"]
    ids = await place.rows(
        "SELECT namespace, external_id, welkin_id::text FROM external_ids WHERE environment_id = $1 ORDER BY external_id"
    )
    assert [tuple(row.values()) for row in ids] == [
        ("CLINIC", "1001", zoe["user_id"]),
        ("CLINIC", "1002", hanako["user_id"]),
    ]
    numbers = await place.rows("SELECT phone_number FROM phone_numbers WHERE environment_id = $1")
    assert numbers == [{"phone_number": "555-555-0123"}]
    addresses = await place.rows("SELECT email FROM email_addresses WHERE environment_id = $1")
    assert addresses == [{"email": "zoe@example.org"}]
    changes = await place.rows(
        "SELECT old_last_name FROM (SELECT differences->'last_name' AS old_last_name FROM changes WHERE environment_id = $1 AND resource = 'patients' AND kind = 'update') AS c"
    )
    assert "Brien & Sön" in str(changes)
    assert other != place.environment


async def test_sex_and_language_are_written_where_their_codes_are_known_and_left_alone_elsewhere(
    place: Place, port: int
) -> None:
    people_sent = (
        ("1001", "F", "es-MX^^ISO639", ("Female", "spanish")),
        ("1002", "m", "^Haitian^L", ("Male", "haitian")),
        ("1003", "O", "XX^Elvish^L^yue^^ISO639", ("Other", "cantonese")),
        ("1004", "U", "und", (None, None)),
        ("1005", "A", "unknown", (None, None)),
        ("1006", "", "", (None, None)),
    )
    async with Sender(port) as sender:
        for number, sex, language, _ in people_sent:
            segment = pid(number, sex=sex, language=language)
            assert code(await sender.send(adt("A04", f"M{number}", segment))) == "AA"
        assert {task["status"] for task in await done(place)} == {"succeeded"}
        rows = await people(place)
        assert [(row["gender"], row["primary_language"]) for row in rows] == [
            words for *_, words in people_sent
        ]
        # What somebody says of themselves stays, and what the register has follows it.
        by = Actor(place.environment, "test", "portal", "test", whole=True)
        own = {"gender": "Two-Spirit"}
        await place.store.update(by, BY_NAME["patients"], rows[0]["user_id"], own, None)
        for number, sex, language in (
            ("1001", "M", "en"),
            ("1002", "F", "tlh^Klingon"),
            ("1003", '""', '""'),
        ):
            segment = pid(number, sex=sex, language=language)
            assert code(await sender.send(adt("A08", f"N{number}", segment))) == "AA"
        assert {task["status"] for task in await done(place)} == {"succeeded"}
    now = [(row["gender"], row["primary_language"]) for row in (await people(place))[:3]]
    assert now == [("Two-Spirit", "english"), ("Female", "haitian"), (None, None)]


async def test_names_come_in_the_character_set_that_the_message_names(
    place: Place, port: int
) -> None:
    names = {
        "8859/2": ("iso8859-2", "Łukasz"),
        "8859/5": ("iso8859-5", "Анна"),
        "8859/6": ("iso8859-6", "ليلى"),
        "8859/8": ("iso8859-8", "שרה"),
        "GB 18030-2000": ("gb18030", "王芳"),
        "BIG-5": ("big5", "許功蓋"),
        "KS X 1001": ("euc_kr", "김영희"),
        "~ISO IR87": ("iso2022_jp", "花子"),
        "UNICODE UTF-8": ("utf-8", "Nguyễn 👩"),
        "": ("utf-8", "Zoë"),
    }
    answers = {}
    async with Sender(port) as sender:
        for number, (charset, (encoding, name)) in enumerate(names.items()):
            message = adt("A01", f"C{number}", pid(str(number), f"Case^{name}"), charset=charset)
            sender.writer.write(b"\x0b" + message.encode(encoding) + b"\x1c\r")
            answers[charset] = code(await sender.answer())
        wrong = adt("A01", "W1", pid("99", "Case^Zoë"), charset="ASCII")
        refused = await sender.send(wrong)
        unknown = await sender.send(adt("A01", "W2", pid("99"), charset="EBCDIC"))
    assert answers == dict.fromkeys(names, "AA")
    assert (code(refused), code(unknown)) == ("AR", "AR")
    assert "MSH-18: the message is not in the character set" in refused[2]
    await done(place)
    assert [row["first_name"] for row in await people(place)] == [
        name for _, name in names.values()
    ]


async def test_two_records_become_one_and_both_ids_lead_to_it(place: Place, port: int) -> None:
    async with Sender(port) as sender:
        for control_id, mrn, name in (("M1", "1", "Hopper^Grace"), ("M2", "2", "Hoper^Grace")):
            await sender.send(adt("A01", control_id, pid(mrn, name, phones="5555550123")))
        merge = adt("A40", "M3", pid("1"), "MRG|2^^^CLINIC^MR")
        assert code(await sender.send(merge)) == "AA"
        await sender.send(adt("A08", "M4", pid("2", "Murray Hopper^Grace")))
        # Nobody knows 3, and 1 goes on as 4.
        await sender.send(adt("A40", "M5", pid("4"), "MRG|3^^^CLINIC^MR"))
        await sender.send(adt("A40", "M6", pid("5", "Borg^Anita", "19490117"), "MRG|6^^^CLINIC^MR"))
        await sender.send(adt("A40", "M7", pid("7", "Borg^Anita", "19490117"), "MRG|5^^^CLINIC^MR"))
    tasks = await done(place)
    assert [task["status"] for task in tasks] == ["succeeded"] * 7
    murray, four, anita = await people(place)
    assert (murray["last_name"], four["last_name"]) == ("Murray Hopper", "Hopper")
    (merged,) = await place.rows(
        "SELECT kept_id::text, merged_by FROM patient_merges WHERE environment_id = $1"
    )
    assert merged == {"kept_id": murray["user_id"], "merged_by": "integration:hl7v2_adt"}
    ids = await place.rows(
        "SELECT external_id, welkin_id::text AS of FROM external_ids WHERE environment_id = $1 AND namespace = 'CLINIC'"
    )
    known = {row["external_id"]: row["of"] for row in ids}
    assert known.keys() == {"1", "2", "4", "7"}
    assert known["7"] == anita["user_id"]


async def test_records_that_are_unlike_are_left_to_a_person(place: Place, port: int) -> None:
    async with Sender(port) as sender:
        await sender.send(adt("A01", "M1", pid("1", "Hopper^Grace")))
        await sender.send(adt("A01", "M2", pid("2", "Quispe^Yma", "19700101")))
        await sender.send(adt("A40", "M3", pid("1"), "MRG|2^^^CLINIC^MR"))
        both = pid("1").replace("1^^^CLINIC^MR", "1^^^CLINIC^MR~77^^^LAB^MR")
        await sender.send(adt("A08", "M4", both))
        other = pid("2").replace("2^^^CLINIC^MR", "2^^^CLINIC^MR~77^^^LAB^MR")
        await sender.send(adt("A08", "M5", other))
    tasks = await done(place)
    assert [task["status"] for task in tasks] == [
        *("succeeded", "succeeded", "failed", "succeeded", "failed")
    ]
    assert "neither name nor day of birth" in tasks[2]["errors"]
    assert "ids_disagree" in tasks[4]["errors"]
    assert len(await people(place)) == 2


async def test_a_message_that_is_wrong_says_where_by_segment_and_field(
    place: Place, port: int
) -> None:
    bad = "PID|1||7^^^^MR||^Grace||1906|F|||1 Main St^^Town^Xyzzy^abc||"
    async with Sender(port) as sender:
        answer = await sender.send(adt("A01", "M1", bad))
        repeat = await sender.send(adt("A01", "M1", bad))
        mended = await sender.send(adt("A01", "M1", pid("7")))
    assert answer[1] == "MSA|AE|M1"
    assert repeat == answer
    errors = [segment.split("|") for segment in answer[2:]]
    assert [error[0] for error in errors] == ["ERR"] * 5
    assert {error[2]: error[3].split("^")[0] for error in errors} == {
        "PID^1^3": "101",
        "PID^1^5^^1": "101",
        "PID^1^7^^1": "102",
        "PID^1^11^^4": "102",
        "PID^1^11^^5": "102",
    }
    assert any(error[8].startswith("PID-7: a whole day") for error in errors)
    assert code(mended) == "AA"
    tasks = await done(place)
    assert [task["status"] for task in tasks] == ["failed", "succeeded"]
    listed = msgspec.json.decode(tasks[0]["errors"])
    assert [error["message"].split(":")[0] for error in listed] == [
        *("PID-5", "PID-7", "PID-11.4", "PID-11.5", "PID-3")
    ]
    # Nothing that the message says is in what is told of it.
    assert not {"Xyzzy", "1906", "Main"} & set("|".join(answer).replace("^", "|").split("|"))
    assert "Xyzzy" not in tasks[0]["errors"]


async def test_what_is_no_adt_message_of_these_events_is_rejected_with_a_reason(
    place: Place, port: int
) -> None:
    whole = adt("A01", "M1", pid())
    cases = {
        "another event": (whole.replace("ADT^A01", "ADT^A03"), "201", "MSH-9"),
        "another type": (whole.replace("ADT^A01", "ORU^R01"), "200", "MSH-9"),
        "no control id": (whole.replace("|M1|", "||"), "101", "MSH-10"),
        "version 3": (whole.replace("|2.5|", "|3.0|"), "203", "MSH-12"),
        "no MSH": ("PID|1\r", "100", "MSH"),
        "nothing": ("", "100", "MSH"),
        "odd delimiters": (whole.replace("^~\\&", "^^^^", 1), "100", "MSH-2"),
        "a long PID": (whole + "PID|" + "^" * 70_000 + "\r", "102", "MSH"),
    }
    wrong = []
    async with Sender(port) as sender:
        for case, (message, error, place_of) in cases.items():
            answer = await sender.send(message)
            err = answer[2].split("|")
            if (code(answer), err[3][:3], err[8].split(":")[0]) != ("AR", error, place_of):
                wrong.append((case, answer))
        no_pid = await sender.send(adt("A01", "M9"))
    assert wrong == []
    assert (code(no_pid), no_pid[2].split("|")[2]) == ("AE", "PID^1")
    assert len(await done(place)) == 1


async def test_a_repeat_is_answered_alike_and_done_once_and_an_id_is_not_used_twice(
    place: Place, port: int
) -> None:
    message = adt("A01", "M1", pid())
    async with Sender(port) as first, Sender(port) as two:
        answers = await asyncio.gather(*[sender.send(message) for sender in (first, two)])
        reused = await first.send(adt("A01", "M1", pid("2", "Borg^Anita")))
        elsewhere = await two.send(adt("A01", "M1", pid("2", "Borg^Anita"), sender="LAB|CLINIC"))
    assert answers[0] == answers[1]
    assert (code(reused), reused[2].split("|")[3][:3]) == ("AE", "205")
    assert code(elsewhere) == "AA"
    assert [task["status"] for task in await done(place)] == ["succeeded", "succeeded"]
    assert len(await people(place)) == 2


async def test_in_the_enhanced_mode_the_sender_hears_what_it_asked_for(
    place: Place, port: int
) -> None:
    """MSH-15 and MSH-16, with what a good message, a wrong one and one of another event are
    answered with; nothing where none is wanted.
    """
    cases = {
        "|": ("AA", "AE", "AR"),
        "AL|": ("CA", "CE", "CR"),
        "AL|AL": ("CA", "CE", "CR"),
        "ER|NE": ("", "CE", "CR"),
        "SU|NE": ("CA", "", ""),
        "NE|AL": ("AA", "AE", "AR"),
        "NE|ER": ("", "AE", "AR"),
        "|SU": ("AA", "", ""),
        "NE|NE": ("", "", ""),
        "NE|": ("", "", ""),
    }
    wrong, received = {}, {}
    async with Sender(port) as sender:
        for wants in cases:
            name = wants.replace("|", "-")
            answers = []
            for at, (event, person) in enumerate(
                (("A01", pid()), ("A01", pid(born="1906")), ("A03", pid()))
            ):
                message = adt(event, f"M{name}{at}", person, wants=wants)
                # What is answered in any case says that nothing came before it.
                for sent in (message, message):
                    await sender.give(sent)
                    await sender.give(adt("A01", f"after{name}{at}", pid()))
                    answer = await sender.answer()
                    answers.append("" if f"after{name}" in answer[1] else code(answer))
                    if answers[-1]:
                        assert f"after{name}" in (await sender.answer())[1]
            received[wants] = tuple(answers[::2])
            # A repeat is answered alike.
            if received[wants] != cases[wants] or answers[::2] != answers[1::2]:
                wrong[wants] = answers
    assert wrong == {}
    failed = [task for task in await done(place) if task["status"] == "failed"]
    assert len(failed) == len(cases)


async def test_a_message_of_ten_megabytes_is_rejected_and_the_next_one_is_taken(
    place: Place, port: int
) -> None:
    async with Sender(port) as sender:
        long = adt("A01", "BIG", pid(), "OBX|1|ED|" + "A" * 10_000_000)
        answer = await sender.send(long)
        assert answer[1] == "MSA|AR|BIG"
        assert "longer than 1048576 bytes" in answer[2]
        assert code(await sender.send(adt("A01", "M1", pid()))) == "AA"


async def test_half_a_message_is_none_and_a_connection_that_is_quiet_ends(place: Place) -> None:
    async with listening(place, idle_seconds=1, connections=2) as port:
        async with Sender(port) as half:
            half.writer.write(b"\x0b" + adt("A01", "M1", pid()).encode()[:80])
            half.writer.write_eof()
            assert await half.is_closed()
        async with Sender(port) as quiet:
            assert await quiet.is_closed()
        async with Sender(port) as other:
            other.writer.write(b"GET / HTTP/1.1\r\n\r\n")
            assert await other.is_closed()
        async with AsyncExitStack() as stack:
            senders = [await stack.enter_async_context(Sender(port)) for _ in range(3)]
            assert await senders[2].is_closed()
            assert code(await senders[1].send(adt("A01", "M1", pid()))) == "AA"


async def test_messages_are_done_in_the_order_in_which_they_came_also_when_one_is_tried_again(
    place: Place, port: int
) -> None:
    async with Sender(port) as first, Sender(port) as two:
        for number in range(6):
            sender = two if number % 2 else first
            await sender.send(adt("A08", f"M{number}", pid(name=f"Number {number}^Grace")))
    kind, tries = hl7v2_adt.top, list[str]()

    async def fails_first(task: Any, message: Any) -> None:
        tries.append(message.control_id)
        if message.control_id == "M2" and tries.count("M2") == 1:
            raise RuntimeError("a fault")
        await kind.function(task, message)

    failing = replace(hl7v2_adt, kinds={kind.name: replace(kind, function=fails_first)})
    tasks = await done(place, failing)
    assert tries == ["M0", "M1", "M2", "M2", "M3", "M4", "M5"]
    assert {task["status"] for task in tasks} == {"succeeded"}
    assert [row["last_name"] for row in await people(place)] == ["Number 5"]


async def test_a_message_that_is_done_again_undoes_nothing_of_a_later_one(
    place: Place, port: int
) -> None:
    async with Sender(port) as sender:
        await sender.send(adt("A08", "M1", pid(name="First^Grace")))
        await place.configure(hl7v2_adt, phase="nowhere")
        (failed,) = await done(place)
        await place.configure(hl7v2_adt, phase="intake")
        await sender.send(adt("A08", "M2", pid(name="Second^Grace")))
    assert failed["status"] == "failed"
    await done(place)
    await jobs.retry(
        place.database,
        place.store,
        BY_NAME["integration_tasks"],
        place.environment,
        failed["job_id"],
        by=AT_THE_TERMINAL,
    )
    tasks = {task["ref_ids"][0]: task for task in await done(place)}
    assert "superseded" in tasks["M1"]["errors"]
    assert [row["last_name"] for row in await people(place)] == ["Second"]


async def test_a_message_that_was_taken_in_is_run_again_until_a_later_one_tells_of_the_patient(
    place: Place, port: int
) -> None:
    async def run_again(job_id: str) -> dict[str, Any]:
        (top,) = await place.rows(
            "SELECT id::text FROM work_steps WHERE environment_id = $1 AND job_id = $2"
            " AND parent_id IS NULL",
            job_id,
        )
        values = (place.store, BY_NAME["integration_tasks"], place.environment, top["id"])
        async with place.database.transaction() as connection:
            await again.run_again_within(connection, *values, by=AT_THE_TERMINAL)
        await done(place)
        return await place.show(job_id)

    async with Sender(port) as sender:
        await sender.send(adt("A08", "M1", pid(name="First^Grace")))
        (first,) = await done(place)
        await place.rows(
            "UPDATE patients SET last_name = 'Lost' WHERE environment_id = $1 RETURNING 1"
        )
        assert (await run_again(first["job_id"]))["status"] == "succeeded"
        assert [row["last_name"] for row in await people(place)] == ["First"]
        await sender.send(adt("A08", "M2", pid(name="Second^Grace")))
        await done(place)
    now = await run_again(first["job_id"])
    assert (now["status"], now["tasks"][0]["errors"][0]["code"]) == ("failed", "superseded")
    assert [row["last_name"] for row in await people(place)] == ["Second"]


async def test_what_cannot_be_kept_is_not_acknowledged(place: Place) -> None:
    class Away(Inbox):
        async def _remember(self, *values: Any) -> bytes:
            raise unavailable("The database is away.")

    settings = msgspec.convert(SETTINGS, Hl7v2AdtSettings)
    inbox = Away(place.database, place.store, BY_NAME["integration_tasks"], place.environment)
    answer = await inbox.receive(settings, adt("A01", "M1", pid()).encode(), False)
    assert b"MSA|AR|M1\r" in answer
    assert b"send it again later" in answer


async def test_connections_are_encrypted_and_senders_certified_where_the_settings_say_so(
    place: Place, tmp_path: Path
) -> None:
    authority = certified("A hospital's authority", is_ca=True)
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    server = certified("almoner", by=authority)
    server.context(tmp_path)
    pem = str(tmp_path / "server.pem")
    files = {"certificate_file": pem, "key_file": pem, "client_ca_file": str(tmp_path / "ca.pem")}
    trusting = ssl.create_default_context(cadata=authority.pem.decode())
    async with listening(place, **files) as port:
        with pytest.raises((OSError, asyncio.IncompleteReadError)):
            async with Sender(port, trusting) as stranger:
                await stranger.send(adt("A01", "M0", pid()))
        trusting.load_cert_chain(pem)
        async with Sender(port, trusting) as sender:
            assert code(await sender.send(adt("A01", "M1", pid()))) == "AA"
    assert [task["ref_ids"][0] for task in await done(place)] == ["M1"]


def test_settings_that_would_let_others_read_along_are_refused() -> None:
    cases: dict[str, dict[str, Any]] = {
        "open in the clear": {"listen": "0.0.0.0:2575"},
        "no address": {"listen": "everywhere"},
        "no port": {"listen": "127.0.0.1:99999"},
        "a key is missing": {"certificate_file": "x.pem"},
        "no character set": {"charset": "ebcdic-7"},
    }
    taken = []
    for case, more in cases.items():
        try:
            msgspec.convert({**SETTINGS, **more}, Hl7v2AdtSettings)
        except msgspec.ValidationError:
            continue
        taken.append(case)
    assert taken == []
    msgspec.convert({**SETTINGS, "listen": "0.0.0.0:1", "allow_plain": True}, Hl7v2AdtSettings)


Check = Callable[[], Awaitable[bool]]


async def until(check: Check) -> None:
    async with asyncio.timeout(30):
        while not await check():
            await asyncio.sleep(0.05)


async def test_a_worker_listens_where_each_environment_says_and_stops_when_it_is_switched_off(
    place: Place, unused_tcp_port: int
) -> None:
    address = f"127.0.0.1:{unused_tcp_port}"
    stop = asyncio.Event()
    listening_task = asyncio.create_task(
        hl7_listener.keep_listening(
            place.database,
            place.store,
            BY_NAME["integration_tasks"],
            place.parts.box,
            known={"hl7v2_adt": hl7v2_adt},
            stop=stop,
            seconds=0.05,
        )
    )
    await place.configure(hl7v2_adt, **{**SETTINGS, "listen": address})

    async def is_open() -> bool:
        try:
            async with Sender(unused_tcp_port) as sender:
                return code(await sender.send(adt("A01", "M1", pid()))) == "AA"
        except (OSError, asyncio.IncompleteReadError):
            return False

    async def is_shut() -> bool:
        return not await is_open()

    await until(is_open)
    async with place.database.connection() as connection:
        await connection.execute(
            "UPDATE integrations SET enabled = false WHERE environment_id = $1", place.environment
        )
    await until(is_shut)
    stop.set()
    await listening_task
