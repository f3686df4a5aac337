"""The form and the gallery."""
