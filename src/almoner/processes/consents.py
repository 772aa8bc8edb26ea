"""What a patient consents to, as processes ask for it: a trigger, a condition, a wait and a message
alike. Only who may be written to automatically has consented to what a program sends.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

# The fields of a phone number or an e-mail address that are true together.
CONSENT_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "sms": ("opted_in_to_sms", "automatic_recipient"),
    "calls": ("opted_in_to_phone",),
    "email": ("opted_in_to_email", "automatic_recipient"),
}
# The condition on such a row.
CONSENTS: Final = {name: " AND ".join(fields) for name, fields in CONSENT_FIELDS.items()}
