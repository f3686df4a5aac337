"""What a person holds: jobs, lists of jobs, videos."""
