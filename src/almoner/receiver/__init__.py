"""What `almoner receive` pulls with: it keeps nothing, and stands on nothing of the server. What it
receives with is ``almoner_client.receiver``.
"""
