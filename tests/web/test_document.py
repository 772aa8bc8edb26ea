"""Looking up what a page says by role and name."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.web import literals
from tests.web.document import Document

PAGE = """
<title>Ada · Almoner</title>
<div id="notice" role="alert"></div>
<div role="status" hidden>You are signed in again.</div>
<main>
  <h1><a href="/patients">Patients /</a> Ada</h1>
  <div role="alert"><svg><title>!</title></svg><strong>Nothing was saved.</strong> See&nbsp;each field.</div>
  <section aria-labelledby="t"><h2 id="t">Contact</h2>
    <ul><li>Home: <b>0</b>1<button aria-label="Remove Home">x</button></li><li>Work: 02<button>Remove</button></li></ul>
  </section>
  <dialog><button>Keep it</button></dialog>
  <form>
    <label for="n">Last name <span>*<span> required</span></span></label>
    <input id="n" name="last_name" value="" aria-describedby="n-error n-help">
    <p class="error" id="n-error">Fill this in.</p><p id="n-help">As in a passport.</p>
    <fieldset aria-describedby="r-error"><legend>Roles</legend><p class="error" id="r-error">Choose one.</p>
      <label><input type="checkbox" name="roles" value="coach" checked> Coach</label>
      <label><input type="checkbox" name="roles" value="admin"> Administrator</label></fieldset>
    <label>Zone <select name="zone"><option value="">Which?</option><option selected>Mars</option></select></label>
    <textarea name="notes" aria-label="Notes">
a
b</textarea>
  </form>
  <dl><dt>Born</dt><dd>9 Dec 1906</dd></dl>
  <p data-testid="score">score 3</p>
</main>
"""


def test_what_a_page_says_is_found_by_role_and_name() -> None:
    page = Document(PAGE)
    assert page.title == "Ada · Almoner"
    assert page.heading().name == "Patients / Ada"
    assert page.alert().words == "Nothing was saved. See each field."
    assert page.link("Patients").attribute("href") == "/patients"
    assert page.link(to="/patients").name == "Patients /"
    assert [row.words for row in page.region("Contact").rows()] == ["Home: 01 x", "Work: 02 Remove"]
    assert page.row("Home").button().name == "Remove Home"
    assert page.button("Remove").words == "Remove"
    assert page.definition("Born").words == "9 Dec 1906"
    assert "3" in page.testid("score")


def test_a_field_is_found_by_what_is_sent_or_by_its_label_with_what_is_wrong() -> None:
    page = Document(PAGE)
    assert page.field("last_name").error == "Fill this in."
    assert (page.field("Last name").help, page.field("Last name").value) == (
        "As in a passport.",
        "",
    )
    assert (page.field("roles").values, page.field("roles").error) == (["coach"], "Choose one.")
    assert page.field("roles").options == {"coach": "Coach", "admin": "Administrator"}
    assert (page.field("Zone").value, page.field("Zone").options[""]) == ("Mars", "Which?")
    assert page.field("Notes").value == "a\nb"


def test_what_is_hidden_is_not_there_and_what_says_nothing_is_no_message() -> None:
    page = Document(PAGE)
    assert page.lacks("status")
    assert page.lacks("button", "Keep it")
    assert page.lacks("testid", "empty")
    assert page.lacks("field", "first_name")
    assert page.mentions("Keep it")
    assert not page.mentions("Grace")


@pytest.mark.parametrize(
    ("role", "name", "says"),
    [
        ("button", "Save", "there is no button 'Save'; there is"),
        ("listitem", "", "there are 2 of listitem ''"),
        ("status", "", "alert '': Nothing was saved"),
    ],
)
def test_a_lookup_that_fails_says_what_there_is(role: str, name: str, says: str) -> None:
    with pytest.raises(AssertionError, match=says):
        Document(PAGE).get(role, name)


def test_what_is_not_to_be_there_fails_where_it_is() -> None:
    for role, name in (
        ("button", "Remove"),
        ("field", "notes"),
        ("testid", "score"),
        ("alert", ""),
    ):
        with pytest.raises(AssertionError, match="there is"):
            Document(PAGE).lacks(role, name)


def test_a_part_says_it_into_the_live_region_of_the_shell() -> None:
    part = Document('<p>Saved</p><div id="live-region" hx-swap-oob="innerHTML">Added.</div>')
    assert part.status().words == "Added."


def test_text_that_is_looked_for_anywhere_is_seen_however_it_is_written(tmp_path: Path) -> None:
    searches = (
        'assert "Saved" in answer.text',
        'assert f"{name} saved" not in (await coach.get("/")).text',
        'page = answer.text.partition("<main")[2]; assert "Saved" in page',
        'assert "Saved" in re.sub("<[^>]*>", "", answer.text)',
        'await page.get_by_text("Saved").wait_for()',
        "await page.locator(\"p:has-text('Saved')\").wait_for()",
    )
    lookups = (
        'assert "Saved" in Document(answer).status()',
        'assert Document(answer.text).status("Saved")',
        'await page.get_by_role("status").get_by_text("Saved").wait_for()',
    )
    lines = []
    for number, line in enumerate((*searches, *lookups)):
        file = tmp_path / f"test_{number}.py"
        file.write_text(f"async def test_it():\n    {line}\n")
        lines += [line for _ in literals.searched(file)]
    assert lines == list(searches)
