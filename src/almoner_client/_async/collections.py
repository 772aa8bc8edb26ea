# Made by tools/client.py; `make client` makes it anew.
"""Every collection of the contract."""

from almoner_client import rows
from almoner_client._async.alerts import AsyncAlerts
from almoner_client._async.assessment_responses import AsyncAssessmentResponses
from almoner_client._async.calendar_events import AsyncCalendarEvents
from almoner_client._async.calendars import AsyncCalendars
from almoner_client._async.calls import AsyncCalls
from almoner_client._async.care_flows import AsyncCareFlows
from almoner_client._async.conversations import AsyncConversations
from almoner_client._async.custom_data_type_records import AsyncCustomDataTypeRecords
from almoner_client._async.email_addresses import AsyncEmailAddresses
from almoner_client._async.external_ids import AsyncExternalIds
from almoner_client._async.integration_tasks import AsyncIntegrationTasks
from almoner_client._async.messages import AsyncMessages
from almoner_client._async.notes import AsyncNotes
from almoner_client._async.patient_tasks import AsyncPatientTasks
from almoner_client._async.patients import AsyncPatients
from almoner_client._async.phone_numbers import AsyncPhoneNumbers
from almoner_client._async.snoozes import AsyncSnoozes
from almoner_client._async.transport import AsyncTransport
from almoner_client._async.visits import AsyncVisits
from almoner_client._async.worker_tasks import AsyncWorkerTasks
from almoner_client._async.workers import AsyncWorkers


class AsyncCollections:
    """The collections of the contract, by their names."""

    def __init__(self, transport: AsyncTransport) -> None:
        self.transport = transport
        self.alerts = AsyncAlerts(transport, "alerts", rows.Alert)
        self.assessment_responses = AsyncAssessmentResponses(
            transport, "assessment_responses", rows.AssessmentResponse
        )
        self.calendar_events = AsyncCalendarEvents(transport, "calendar_events", rows.CalendarEvent)
        self.calendars = AsyncCalendars(transport, "calendars", rows.Calendar)
        self.calls = AsyncCalls(transport, "calls", rows.Call)
        self.care_flows = AsyncCareFlows(transport, "care_flows", rows.CareFlow)
        self.conversations = AsyncConversations(transport, "conversations", rows.Conversation)
        self.custom_data_type_records = AsyncCustomDataTypeRecords(
            transport, "custom_data_type_records", rows.CustomDataTypeRecord
        )
        self.email_addresses = AsyncEmailAddresses(transport, "email_addresses", rows.EmailAddress)
        self.external_ids = AsyncExternalIds(transport, "external_ids", rows.ExternalId)
        self.integration_tasks = AsyncIntegrationTasks(
            transport, "integration_tasks", rows.IntegrationTask
        )
        self.messages = AsyncMessages(transport, "messages", rows.Message)
        self.notes = AsyncNotes(transport, "notes", rows.Note)
        self.patient_tasks = AsyncPatientTasks(transport, "patient_tasks", rows.PatientTask)
        self.patients = AsyncPatients(transport, "patients", rows.Patient)
        self.phone_numbers = AsyncPhoneNumbers(transport, "phone_numbers", rows.PhoneNumber)
        self.snoozes = AsyncSnoozes(transport, "snoozes", rows.Snooze)
        self.visits = AsyncVisits(transport, "visits", rows.Visit)
        self.worker_tasks = AsyncWorkerTasks(transport, "worker_tasks", rows.WorkerTask)
        self.workers = AsyncWorkers(transport, "workers", rows.Worker)
