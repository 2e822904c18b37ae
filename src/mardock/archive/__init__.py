"""Model archives: `spec` says what goes in, `build` writes the `.mar`, `read` checks one, `scan` reads its pickles.

Nothing is imported here: every command reads the settings, and they need `spec` alone.
"""
