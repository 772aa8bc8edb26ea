"""What is counted of each patient, for lists that sort and filter by it: the newest scores, the
last contact, what is due (decision 75).

Each figure is a row of ``patient_figures``, worked out anew for whoever the change log names."""
