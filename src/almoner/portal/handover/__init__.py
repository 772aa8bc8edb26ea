"""A caseload that goes from one worker to others in one act."""
