"""What a server is run by: the edge where requests come in, logs, metrics, health and traces."""
