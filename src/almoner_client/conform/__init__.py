"""Whether a server keeps the contract: checks of what programs depend on, against any server that
claims to speak it.
"""

from almoner_client.conform.suite import Outcome, run

__all__ = ["Outcome", "run"]
