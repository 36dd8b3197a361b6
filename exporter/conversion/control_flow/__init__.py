"""Branches and loops that the run decides, and where their paths meet."""
