"""Values as HTML and as plain text; pure."""
