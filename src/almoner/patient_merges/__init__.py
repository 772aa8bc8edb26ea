"""Two records of one person made one, whoever says that they are: a coach, or another system
(decision 12).
"""
