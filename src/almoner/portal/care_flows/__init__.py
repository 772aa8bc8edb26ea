"""Care flows: what is to be done for a patient, goal by goal, who does it and by when."""
