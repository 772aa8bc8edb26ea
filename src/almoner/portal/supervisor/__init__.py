"""The supervisor's page: how much there is, with whom, and how long it waits."""
