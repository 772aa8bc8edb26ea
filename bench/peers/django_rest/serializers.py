from django_rest.models import Patient
from rest_framework import serializers


class PatientSerializer(serializers.ModelSerializer):
    class Meta:
        model = Patient
        fields = (
            "id",
            "phase",
            "coach_id",
            "timezone",
            "first_name",
            "last_name",
            "birthday",
            "updated_at",
            "created_at",
            "street",
            "street_line_two",
            "city",
            "county",
            "zip_code",
            "state",
            "country",
        )


class WindowSerializer(serializers.Serializer):
    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    size = serializers.IntegerField(min_value=1, max_value=1000, default=50)
