"""Finishes proverbs."""
