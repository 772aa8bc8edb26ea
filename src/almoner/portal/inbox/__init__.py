"""The inbox: what a coach has to do next, whose turn it is, and the day ahead."""
