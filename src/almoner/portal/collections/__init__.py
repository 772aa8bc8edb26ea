"""A patient's rows as their collections are declared: pages that list and edit them, consents, and
cards beside the timeline.
"""
