"""Alerts as rows of the inbox: what the visitor's roles are told, above all else."""

from __future__ import annotations

from collections.abc import Iterable

from almoner.database import Connection
from almoner.pages.visit import Visit
from almoner.portal import alerts
from almoner.portal.alerts import Alert
from almoner.portal.inbox.entries import InboxPatient
from almoner.portal.inbox.rows import Action, DueChip, InboxRow, Wording


async def alerts_for(visit: Visit, connection: Connection) -> list[Alert]:
    return await alerts.open_for(connection, alerts.reader_of(visit))


class AlertWording(Wording):
    """Puts alerts in words, for one reader at one moment."""

    def rows(self, alerts: Iterable[Alert], phase: str) -> list[InboxRow]:
        """Those of a phase, all where it is blank."""
        return [self._row(alert) for alert in alerts if phase in ("", alert.phase)]

    def _row(self, alert: Alert) -> InboxRow:
        patient = InboxPatient(
            alert.patient_id, alert.first_name, alert.last_name, alert.phase, alert.timezone
        )
        fields = (("alert", alert.id),)
        done = Action("Done", "/inbox/alert-done", "d", fields)
        audience = alerts.audience(alert.role, self._visit.program)
        is_taken = alert.taken_by_worker_id is not None
        is_mine = alert.taken_by_worker_id == self._visit.worker.worker_id
        return InboxRow(
            key=f"alert-{alert.id}-{alert.taken_by_worker_id or ''}",
            patient=patient,
            phase=self._phase(patient),
            text=f"{alert.text} · for {audience}, {self._ago(alert.active_time)}",
            chip=DueChip(
                f"taken by {'you' if is_mine else alert.taken_by}" if is_taken else "alert",
                "info" if is_taken else "bad",
                alert.active_time,
                self._exact(alert.active_time, patient),
            ),
            main=done if is_taken else Action("Take", "/inbox/alert-take", "t", fields),
            other=Action("Open", f"/patients/{patient.id}"),
            sort="" if is_taken else "is-late",
        )
