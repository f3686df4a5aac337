"""Renders values as HTML and as plain text; without side effects."""
