"""Processes: what a program does by itself when something happens to a patient (decision 42).

The settled change log is read for what sets a process off; each firing is a row, keyed by the
process and its cause, and a step of ``work``; what it does and the mark that it did are one
transaction."""
