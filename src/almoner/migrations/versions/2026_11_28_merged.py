"""What is written for a record that was merged into another lands on the kept one."""

from alembic import op

revision = "2026_11_28_merged"
down_revision = "2026_11_28_reads"


def upgrade() -> None:
    op.execute(
        """
CREATE FUNCTION almoner_current_patient(environment integer, given uuid) RETURNS uuid LANGUAGE plpgsql VOLATILE STRICT AS $$
DECLARE
  found uuid := given;
  kept uuid;
BEGIN
  LOOP
    SELECT m.kept_id INTO kept FROM patient_merges m WHERE m.environment_id = environment AND m.patient_id = found;
    IF kept IS NULL THEN
      RETURN found;
    END IF;
    found := kept;
    PERFORM FROM patients p WHERE p.environment_id = environment AND p.id = found FOR KEY SHARE;
  END LOOP;
END $$
"""
    )
