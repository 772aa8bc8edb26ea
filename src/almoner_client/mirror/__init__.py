"""A copy of a server's collections in a database of one's own, which follows the change feed and
proves that it is whole.
"""

from almoner_client.mirror.copy import Mirror
from almoner_client.mirror.destinations import open_destination
from almoner_client.mirror.verify import Difference, verify

__all__ = ["Difference", "Mirror", "open_destination", "verify"]
