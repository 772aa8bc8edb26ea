"""An index that no Find used can be used, and one that saved nothing is gone (docs/benchmarks.md).

An index is made; these tables stand still meanwhile: patients, workers."""

from alembic import op

from almoner.migrations import locks

revision = "2026_11_30_find_indexes"
down_revision = "2026_11_30_response_worker"


def upgrade() -> None:
    # A migration that cannot have its lock within five seconds gives up rather than stop everybody behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    locks.take("patients", "workers")
    op.execute("DROP INDEX patients_long_name_part, workers_phone_number_idx")
    op.execute(
        "CREATE INDEX patients_long_name_part ON patients (environment_id, id) "
        "WHERE least(length(last_name) + length(first_name), 199) = 199"
    )
