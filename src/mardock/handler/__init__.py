"""Handlers: what they raised while TorchServe ran them, and running one in this process."""
