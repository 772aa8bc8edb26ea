"""Numbers about a patient over time: what can be measured, what was, and how that is drawn."""
