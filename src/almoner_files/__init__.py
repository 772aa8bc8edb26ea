"""Files of rows: read as people have them, mapped to fields, written safe to open. Shared by the
client and the server, and knows neither (decision 61).
"""
