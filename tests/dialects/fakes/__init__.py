"""Servers as strict as the real ones, one for each dialect."""
