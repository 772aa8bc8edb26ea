"""Assessments of a patient: answered ones in the version they were asked in, and the form that a
coach fills in.
"""
