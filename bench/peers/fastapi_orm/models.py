from datetime import date, datetime
from uuid import UUID, uuid4

from sqlalchemy import ARRAY, BigInteger, DateTime, FetchedValue, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

# Stamped by a trigger of the table; read back through RETURNING.
STAMPED = FetchedValue()


class Base(DeclarativeBase):
    pass


class Patient(Base):
    __tablename__ = "patients"

    environment_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    phase: Mapped[str]
    coach_id: Mapped[UUID | None]
    timezone: Mapped[str]
    first_name: Mapped[str]
    last_name: Mapped[str]
    birthday: Mapped[date | None]
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=STAMPED)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=STAMPED)
    street: Mapped[str | None]
    street_line_two: Mapped[str | None]
    city: Mapped[str | None]
    county: Mapped[str | None]
    zip_code: Mapped[str | None]
    state: Mapped[str | None]
    country: Mapped[str | None]


class Change(Base):
    __tablename__ = "changes"

    environment_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    epoch: Mapped[int] = mapped_column(primary_key=True, server_default=STAMPED)
    xid: Mapped[int] = mapped_column(BigInteger, primary_key=True, server_default=STAMPED)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, server_default=STAMPED)
    kind: Mapped[str]
    resource: Mapped[str]
    row_id: Mapped[UUID]
    patient_id: Mapped[UUID | None]
    changed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    actor: Mapped[str]
    through: Mapped[str]
    request_id: Mapped[str]
    fields: Mapped[list[str]] = mapped_column(ARRAY(String))
