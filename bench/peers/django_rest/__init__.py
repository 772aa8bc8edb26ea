"""A peer of the ordinary good kind: Django with REST framework and psycopg 3, under gunicorn."""
