"""Whatever a finger is to hit on a telephone is large enough to be hit, or has room around it."""

from __future__ import annotations

import pytest

from almoner.data_api.store import Store
from almoner.database import Database
from tests.browsers import Screens
from tests.pages.inhabited import busiest_patient, inhabited
from tests.people import People

pytestmark = pytest.mark.slow

LEAST = 40
# What can be hit of a control: the box of its element, of its label and of what it draws around
# itself (::after); what a row offers as a whole is as large as the row. A link within a sentence is
# as high as its line, which is excepted (WCAG 2.5.8), and so is what nobody sees.
_TOO_SMALL = """
(least) => {
  const visible = (e) => e.checkVisibility({ opacityProperty: true, visibilityProperty: true })
    && e.getBoundingClientRect().width > 1 && e.getBoundingClientRect().height > 1;
  const around = (e, pseudo) => {
    const style = getComputedStyle(e, pseudo), box = e.getBoundingClientRect();
    if (style.content === 'none' || style.position !== 'absolute') return 0;
    const grows = (side) => Math.max(0, -parseFloat(style[side]) || 0);
    return box.height + grows('top') + grows('bottom');
  };
  const within = (e) => {
    const parent = e.parentElement;
    return e.tagName === 'A' && getComputedStyle(e).display === 'inline' && [...parent.childNodes].some(
      (node) => node.nodeType === 3 && node.data.trim().length > 1);
  };
  const high = (e) => Math.max(e.getBoundingClientRect().height, around(e, '::after'), around(e, '::before'),
    ...[...(e.labels ?? [])].map((label) => label.getBoundingClientRect().height),
    e.matches('.cover') ? e.closest('li, tr, .row')?.getBoundingClientRect().height ?? 0 : 0);
  return [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary')]
    .filter((e) => visible(e) && !e.disabled && !e.matches('.skip, .visually-hidden') && !within(e) && high(e) < least - 0.5)
    .map((e) => `${e.tagName.toLowerCase()}.${e.className} ${Math.round(high(e))}: ${
      (e.innerText || e.ariaLabel || e.name || '').trim().slice(0, 40)}`);
}
"""


async def test_everything_is_large_enough_for_a_finger_on_the_main_pages(
    people: People, database: Database, store: Store, screens: Screens
) -> None:
    person = await inhabited(people, database, store, "fingers", 12)
    patient = await busiest_patient(database, person)
    page = await screens(person, width=375, height=812, touch=True)
    small = {}
    for address in (
        "/inbox",
        "/panel",
        "/patients",
        "/calendar",
        "/supervisor",
        "/tasks/new",
        f"/patients/{patient}",
        f"/patients/{patient}/conversations",
        f"/patients/{patient}/call",
        f"/patients/{patient}/note",
        f"/patients/{patient}/notes",
        f"/patients/{patient}/contact",
    ):
        answer = await page.goto(address)
        assert answer
        if answer.status == 200 and (faults := await page.evaluate(_TOO_SMALL, LEAST)):
            small[address.replace(patient, "…")] = sorted(set(faults))
    await person.aclose()
    assert small == {}
