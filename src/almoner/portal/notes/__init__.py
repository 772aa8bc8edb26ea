"""Notes that workers sign about a patient: written on a sheet, added to, pinned, never changed."""
