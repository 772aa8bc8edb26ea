"""The calendar: appointments of one worker or several, when they are there, and the feed for other
calendars.
"""
