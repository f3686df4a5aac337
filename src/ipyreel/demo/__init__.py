"""The embedded demo provider: a /v1/videos server that makes real MP4s, reached by HTTP only."""
