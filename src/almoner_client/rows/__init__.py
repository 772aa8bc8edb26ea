# Made by tools/client.py; `make client` makes it anew.
"""Rows of every collection, and what their operations take."""

from almoner_client.rows.alerts import Alert, AlertCreate, AlertFind, AlertUpdate, AlertUpdateRow
from almoner_client.rows.assessment_responses import (
    AssessmentResponse,
    AssessmentResponseCreate,
    AssessmentResponseFind,
)
from almoner_client.rows.calendar_events import (
    CalendarEvent,
    CalendarEventCreate,
    CalendarEventFind,
    CalendarEventUpdate,
    CalendarEventUpdateRow,
)
from almoner_client.rows.calendars import Calendar, CalendarFind
from almoner_client.rows.calls import Call, CallFind
from almoner_client.rows.care_flows import CareFlow, CareFlowFind
from almoner_client.rows.conversations import Conversation, ConversationCreate, ConversationFind
from almoner_client.rows.custom_data_type_records import (
    CustomDataTypeRecord,
    CustomDataTypeRecordCreate,
    CustomDataTypeRecordFind,
    CustomDataTypeRecordUpdate,
    CustomDataTypeRecordUpdateRow,
)
from almoner_client.rows.email_addresses import (
    EmailAddress,
    EmailAddressCreate,
    EmailAddressFind,
    EmailAddressUpdate,
    EmailAddressUpdateRow,
)
from almoner_client.rows.external_ids import (
    ExternalId,
    ExternalIdCreate,
    ExternalIdFind,
    ExternalIdUpdate,
    ExternalIdUpdateRow,
)
from almoner_client.rows.integration_tasks import IntegrationTask, IntegrationTaskFind
from almoner_client.rows.messages import Message, MessageCreate, MessageFind
from almoner_client.rows.notes import Note, NoteFind
from almoner_client.rows.patient_tasks import PatientTask, PatientTaskCreate, PatientTaskFind
from almoner_client.rows.patients import (
    Patient,
    PatientCreate,
    PatientFind,
    PatientUpdate,
    PatientUpdateRow,
)
from almoner_client.rows.phone_numbers import (
    PhoneNumber,
    PhoneNumberCreate,
    PhoneNumberFind,
    PhoneNumberUpdate,
    PhoneNumberUpdateRow,
)
from almoner_client.rows.snoozes import Snooze, SnoozeFind
from almoner_client.rows.visits import Visit, VisitCreate, VisitFind, VisitUpdate, VisitUpdateRow
from almoner_client.rows.worker_tasks import (
    WorkerTask,
    WorkerTaskCreate,
    WorkerTaskFind,
    WorkerTaskUpdate,
    WorkerTaskUpdateRow,
)
from almoner_client.rows.workers import Worker, WorkerFind

__all__ = [
    "Alert",
    "AlertCreate",
    "AlertFind",
    "AlertUpdate",
    "AlertUpdateRow",
    "AssessmentResponse",
    "AssessmentResponseCreate",
    "AssessmentResponseFind",
    "Calendar",
    "CalendarEvent",
    "CalendarEventCreate",
    "CalendarEventFind",
    "CalendarEventUpdate",
    "CalendarEventUpdateRow",
    "CalendarFind",
    "Call",
    "CallFind",
    "CareFlow",
    "CareFlowFind",
    "Conversation",
    "ConversationCreate",
    "ConversationFind",
    "CustomDataTypeRecord",
    "CustomDataTypeRecordCreate",
    "CustomDataTypeRecordFind",
    "CustomDataTypeRecordUpdate",
    "CustomDataTypeRecordUpdateRow",
    "EmailAddress",
    "EmailAddressCreate",
    "EmailAddressFind",
    "EmailAddressUpdate",
    "EmailAddressUpdateRow",
    "ExternalId",
    "ExternalIdCreate",
    "ExternalIdFind",
    "ExternalIdUpdate",
    "ExternalIdUpdateRow",
    "IntegrationTask",
    "IntegrationTaskFind",
    "Message",
    "MessageCreate",
    "MessageFind",
    "Note",
    "NoteFind",
    "Patient",
    "PatientCreate",
    "PatientFind",
    "PatientTask",
    "PatientTaskCreate",
    "PatientTaskFind",
    "PatientUpdate",
    "PatientUpdateRow",
    "PhoneNumber",
    "PhoneNumberCreate",
    "PhoneNumberFind",
    "PhoneNumberUpdate",
    "PhoneNumberUpdateRow",
    "Snooze",
    "SnoozeFind",
    "Visit",
    "VisitCreate",
    "VisitFind",
    "VisitUpdate",
    "VisitUpdateRow",
    "Worker",
    "WorkerFind",
    "WorkerTask",
    "WorkerTaskCreate",
    "WorkerTaskFind",
    "WorkerTaskUpdate",
    "WorkerTaskUpdateRow",
]
