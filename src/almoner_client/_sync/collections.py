# Made by tools/client.py; `make client` makes it anew.
"""Every collection of the contract."""

from almoner_client import rows
from almoner_client._sync.alerts import Alerts
from almoner_client._sync.assessment_responses import AssessmentResponses
from almoner_client._sync.calendar_events import CalendarEvents
from almoner_client._sync.calendars import Calendars
from almoner_client._sync.calls import Calls
from almoner_client._sync.care_flows import CareFlows
from almoner_client._sync.conversations import Conversations
from almoner_client._sync.custom_data_type_records import CustomDataTypeRecords
from almoner_client._sync.email_addresses import EmailAddresses
from almoner_client._sync.external_ids import ExternalIds
from almoner_client._sync.integration_tasks import IntegrationTasks
from almoner_client._sync.messages import Messages
from almoner_client._sync.notes import Notes
from almoner_client._sync.patient_tasks import PatientTasks
from almoner_client._sync.patients import Patients
from almoner_client._sync.phone_numbers import PhoneNumbers
from almoner_client._sync.snoozes import Snoozes
from almoner_client._sync.transport import Transport
from almoner_client._sync.visits import Visits
from almoner_client._sync.worker_tasks import WorkerTasks
from almoner_client._sync.workers import Workers


class Collections:
    """The collections of the contract, by their names."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.alerts = Alerts(transport, "alerts", rows.Alert)
        self.assessment_responses = AssessmentResponses(
            transport, "assessment_responses", rows.AssessmentResponse
        )
        self.calendar_events = CalendarEvents(transport, "calendar_events", rows.CalendarEvent)
        self.calendars = Calendars(transport, "calendars", rows.Calendar)
        self.calls = Calls(transport, "calls", rows.Call)
        self.care_flows = CareFlows(transport, "care_flows", rows.CareFlow)
        self.conversations = Conversations(transport, "conversations", rows.Conversation)
        self.custom_data_type_records = CustomDataTypeRecords(
            transport, "custom_data_type_records", rows.CustomDataTypeRecord
        )
        self.email_addresses = EmailAddresses(transport, "email_addresses", rows.EmailAddress)
        self.external_ids = ExternalIds(transport, "external_ids", rows.ExternalId)
        self.integration_tasks = IntegrationTasks(
            transport, "integration_tasks", rows.IntegrationTask
        )
        self.messages = Messages(transport, "messages", rows.Message)
        self.notes = Notes(transport, "notes", rows.Note)
        self.patient_tasks = PatientTasks(transport, "patient_tasks", rows.PatientTask)
        self.patients = Patients(transport, "patients", rows.Patient)
        self.phone_numbers = PhoneNumbers(transport, "phone_numbers", rows.PhoneNumber)
        self.snoozes = Snoozes(transport, "snoozes", rows.Snooze)
        self.visits = Visits(transport, "visits", rows.Visit)
        self.worker_tasks = WorkerTasks(transport, "worker_tasks", rows.WorkerTask)
        self.workers = Workers(transport, "workers", rows.Worker)
