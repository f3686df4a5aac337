"""Helpers of the client's tests: a scripted server, small videos, a clock."""
