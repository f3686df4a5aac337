"""Shared by the tests: real kernels, JupyterLab, the demo server, the architecture rules."""
