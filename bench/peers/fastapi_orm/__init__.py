"""A peer of the ordinary good kind: FastAPI, SQLAlchemy ORM (async, asyncpg), pydantic response
models.
"""
