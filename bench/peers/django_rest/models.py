import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now


class Patient(models.Model):
    pk = models.CompositePrimaryKey("environment_id", "id")
    environment_id = models.IntegerField()
    id = models.UUIDField(default=uuid.uuid4, editable=False)
    phase = models.TextField()
    coach_id = models.UUIDField(null=True, blank=True)
    timezone = models.TextField()
    first_name = models.TextField()
    last_name = models.TextField()
    birthday = models.DateField(null=True)
    # Both are stamped by a trigger of the table and read back through RETURNING.
    updated_at = models.DateTimeField(db_default=Now(), editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    street = models.TextField(null=True, blank=True)
    street_line_two = models.TextField(null=True, blank=True)
    city = models.TextField(null=True, blank=True)
    county = models.TextField(null=True, blank=True)
    zip_code = models.CharField(max_length=5, null=True, blank=True)
    state = models.CharField(max_length=2, null=True, blank=True)
    country = models.TextField(null=True, blank=True)

    class Meta:
        db_table = "patients"
        managed = False


class Change(models.Model):
    pk = models.CompositePrimaryKey("environment_id", "epoch", "xid", "seq")
    environment_id = models.IntegerField()
    # The position in the log is stamped by a trigger of the table.
    epoch = models.IntegerField(db_default=0)
    xid = models.BigIntegerField(db_default=0)
    seq = models.BigIntegerField(db_default=0)
    kind = models.TextField()
    resource = models.TextField()
    row_id = models.UUIDField()
    patient_id = models.UUIDField(null=True)
    changed_at = models.DateTimeField()
    actor = models.TextField()
    through = models.TextField()
    request_id = models.TextField()
    fields = ArrayField(models.TextField())

    class Meta:
        db_table = "changes"
        managed = False
