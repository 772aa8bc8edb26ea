"""The main navigation of the pages."""

from __future__ import annotations

from typing import Final

from almoner.pages.render import Room

# In their order. Of several of one title the first that is open is shown: the inbox of who gives no
# care has failures alone.
ROOMS: Final = (
    Room("Inbox", "/inbox", ("give_care",)),
    Room("My panel", "/panel", ("give_care",)),
    Room("Supervisor", "/supervisor", ("supervise",)),
    Room("Patients", "/patients", ("give_care",)),
    Room("Calendar", "/calendar", ("give_care",)),
    Room("Workshop", "/workshop", ("design", "integrate")),
    Room("Admin", "/admin", ("administer",)),
    Room("Supervisor", "/supervisor", ("administer",)),
    Room("Inbox", "/inbox/failures", ("administer",)),
)
