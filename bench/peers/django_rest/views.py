import uuid

from django.db import transaction
from django_rest.models import Change, Patient
from django_rest.serializers import PatientSerializer, WindowSerializer
from rest_framework.generics import get_object_or_404
from rest_framework.response import Response
from rest_framework.views import APIView


def window(start, end, size):
    return {"page[from]": start, "page[to]": end, "page[size]": size}


class PatientOne(APIView):
    def get(self, request, patient_id):
        patient = get_object_or_404(
            Patient, environment_id=request.user.environment_id, id=patient_id
        )
        return Response(PatientSerializer(patient).data)


class PatientList(APIView):
    def get(self, request):
        query = request.query_params
        asked = WindowSerializer(
            data={
                "start": query.get("page[from]"),
                "end": query.get("page[to]"),
                "size": query.get("page[size]", 50),
            }
        )
        asked.is_valid(raise_exception=True)
        start, end, size = (asked.validated_data[name] for name in ("start", "end", "size"))
        patients = list(
            Patient.objects.filter(
                environment_id=request.user.environment_id,
                updated_at__gte=start,
                updated_at__lte=end,
            ).order_by("updated_at", "id")[: size + 1]
        )
        meta = {"current": window(start, end, size)}
        if len(patients) > size:
            meta["next"] = window(patients[size].updated_at, end, size)
        return Response(
            [{"data": PatientSerializer(patients[:size], many=True).data, "meta": meta}]
        )

    def post(self, request):
        serializer = PatientSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        with transaction.atomic():
            patient = serializer.save(environment_id=request.user.environment_id)
            Change.objects.create(
                environment_id=patient.environment_id,
                kind="create",
                resource="patients",
                row_id=patient.id,
                patient_id=patient.id,
                changed_at=patient.updated_at,
                actor=request.user.id,
                through="api",
                request_id=str(uuid.uuid4()),
                fields=sorted(serializer.validated_data),
            )
        return Response(serializer.data)
