"""A receiver of notifications: it checks who sends, answers at once, pulls what changed, and hands
over each state of each row once.
"""

from almoner_client.receiver.endpoints import Answer, Endpoints, IssuedCredentials, Notified
from almoner_client.receiver.receiver import Handed, Receiver

__all__ = ["Answer", "Endpoints", "Handed", "IssuedCredentials", "Notified", "Receiver"]
