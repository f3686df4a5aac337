"""What the tests share: a real kernel, a real JupyterLab, and the laws of the house."""
