"""The objects that the user works with: jobs, lists of jobs, videos."""
