"""The example model: a small network that reads handwritten digits, and the script that trains it."""
