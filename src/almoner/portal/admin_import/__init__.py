"""Files taken in: uploaded, mapped, checked, written, and taken back for a day."""
