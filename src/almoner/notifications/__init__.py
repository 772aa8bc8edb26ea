"""Notifications: ping and pull that cannot lose a change (contract: Notification Job,
clarifications 25 to 28).
"""
