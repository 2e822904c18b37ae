"""Settings: .env (what the machine is) and mardock.toml (what the models are), checked and frozen.

Nothing is imported here: what finds a running server needs a `project.Project` and no settings.
"""
