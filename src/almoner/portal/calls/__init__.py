"""The call sheet: a call with a patient is written down, with what comes next."""
