"""Load generation: how many requests a served model answers, how long each takes, and what the report says of it."""
