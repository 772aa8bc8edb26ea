from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Name = Annotated[str, StringConstraints(min_length=1, max_length=255)]
Text = Annotated[str, StringConstraints(max_length=1000)]


class PatientIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    phase: Name
    coach_id: UUID | None = None
    timezone: Name
    first_name: Name
    last_name: Name
    birthday: date
    street: Text | None = None
    street_line_two: Text | None = None
    city: Text | None = None
    county: Text | None = None
    zip_code: Annotated[str, StringConstraints(pattern=r"^\d{5}$")] | None = None
    state: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] | None = None
    country: Text | None = None


class PatientOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    phase: str
    coach_id: UUID | None
    timezone: str
    first_name: str
    last_name: str
    birthday: date | None
    updated_at: datetime
    created_at: datetime
    street: str | None
    street_line_two: str | None
    city: str | None
    county: str | None
    zip_code: str | None
    state: str | None
    country: str | None


class Window(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    start: datetime = Field(alias="page[from]")
    end: datetime = Field(alias="page[to]")
    size: int = Field(alias="page[size]")


class Meta(BaseModel):
    current: Window
    next: Window | None = None


class Page(BaseModel):
    data: list[PatientOut]
    meta: Meta
