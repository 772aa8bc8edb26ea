"""The client for asyncio. What is for threads, ``almoner_client._sync``, is made of this by
``tools/client.py``.
"""
