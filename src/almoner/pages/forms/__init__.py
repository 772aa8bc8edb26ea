"""The forms of pages: their controls, and what was wrong with what was sent."""
