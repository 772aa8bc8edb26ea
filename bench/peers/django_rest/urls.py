from django.urls import path
from django_rest.views import PatientList, PatientOne

urlpatterns = [
    path("v1/patients", PatientList.as_view()),
    path("v1/patients/<uuid:patient_id>", PatientOne.as_view()),
]
