"""Tuning: the fastest way to serve a model on this machine under a latency limit, found on the running server."""
