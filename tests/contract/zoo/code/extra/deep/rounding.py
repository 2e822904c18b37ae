"""A module in a folder of the archive."""


def rounded(x):
    return round(x, 2)
