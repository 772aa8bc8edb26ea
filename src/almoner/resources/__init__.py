"""What is offered: one file a collection, gathered here in the order of the contract."""

from almoner.resources.assessment_responses import assessment_responses
from almoner.resources.calendar_events import calendar_events
from almoner.resources.calendars import calendars
from almoner.resources.care_flows import care_flows
from almoner.resources.conversations import conversations
from almoner.resources.custom_data_type_records import custom_data_type_records
from almoner.resources.email_addresses import email_addresses
from almoner.resources.external_ids import external_ids
from almoner.resources.integration_tasks import integration_tasks
from almoner.resources.messages import messages
from almoner.resources.patient_tasks import patient_tasks
from almoner.resources.patients import patients
from almoner.resources.phone_numbers import phone_numbers
from almoner.resources.workers import workers

RESOURCES = (
    assessment_responses,
    calendar_events,
    calendars,
    care_flows,
    conversations,
    custom_data_type_records,
    email_addresses,
    external_ids,
    integration_tasks,
    messages,
    patient_tasks,
    patients,
    phone_numbers,
    workers,
)
BY_NAME = {r.name: r for r in RESOURCES}
