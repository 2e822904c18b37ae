"""Handlers: running one in this process as a TorchServe worker would."""
