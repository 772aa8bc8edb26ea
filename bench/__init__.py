"""Reproducible benchmarks. ``make bench`` runs ``bench.run``; README.md beside this file tells the
rest.
"""
