"""The Docker engine: TorchServe and the dev container under Docker Compose.

Nothing is imported here: `daemon` alone says whether an engine answers, before anything heavier is needed.
"""
