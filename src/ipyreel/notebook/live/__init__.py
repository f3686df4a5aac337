"""What moves while a job runs, and stands still when it has ended."""
