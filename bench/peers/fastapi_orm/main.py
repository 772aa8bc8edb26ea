import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID, uuid4

import jwt
from fastapi import Depends, FastAPI, HTTPException, Query
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi_orm.models import Change, Patient
from fastapi_orm.schemas import Meta, Page, PatientIn, PatientOut, Window
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

SECRET = os.environ["BENCH_SECRET"]
engine = create_async_engine(
    os.environ["BENCH_DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://", 1),
    pool_size=16,
    max_overflow=0,
)
sessions = async_sessionmaker(engine, expire_on_commit=False)
app = FastAPI()
bearer = HTTPBearer()


async def client(credentials: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]) -> dict:
    try:
        return jwt.decode(credentials.credentials, SECRET, algorithms=["HS256"])
    except jwt.InvalidTokenError as error:
        raise HTTPException(401, "Invalid token", {"WWW-Authenticate": "Bearer"}) from error


async def session() -> AsyncIterator[AsyncSession]:
    async with sessions() as opened:
        yield opened


Client = Annotated[dict, Depends(client)]
Session = Annotated[AsyncSession, Depends(session)]


def in_utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@app.get("/v1/patients/{patient_id}")
async def get_patient(patient_id: UUID, client: Client, session: Session) -> PatientOut:
    patient = await session.get(Patient, (client["env"], patient_id))
    if patient is None:
        raise HTTPException(404, "Not found")
    return patient


@app.get("/v1/patients")
async def find_patients(
    client: Client,
    session: Session,
    start: Annotated[datetime, Query(alias="page[from]")],
    end: Annotated[datetime, Query(alias="page[to]")],
    size: Annotated[int, Query(alias="page[size]", ge=1, le=1000)] = 50,
) -> list[Page]:
    start, end = in_utc(start), in_utc(end)
    rows = await session.scalars(
        select(Patient)
        .where(Patient.environment_id == client["env"], Patient.updated_at.between(start, end))
        .order_by(Patient.updated_at, Patient.id)
        .limit(size + 1)
    )
    patients = rows.all()
    meta = Meta(current=Window(start=start, end=end, size=size))
    if len(patients) > size:
        meta.next = Window(start=patients[size].updated_at, end=end, size=size)
    return [Page(data=patients[:size], meta=meta)]


@app.post("/v1/patients")
async def create_patient(body: PatientIn, client: Client, session: Session) -> PatientOut:
    patient = Patient(environment_id=client["env"], **body.model_dump())
    session.add(patient)
    await session.flush()
    session.add(
        Change(
            environment_id=patient.environment_id,
            kind="create",
            resource="patients",
            row_id=patient.id,
            patient_id=patient.id,
            changed_at=patient.updated_at,
            actor=client["sub"],
            through="api",
            request_id=str(uuid4()),
            fields=sorted(body.model_fields_set),
        )
    )
    await session.commit()
    return patient
