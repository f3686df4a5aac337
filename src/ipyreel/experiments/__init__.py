"""Experiments with many videos: rows of data before; ratings, votes and results after."""
