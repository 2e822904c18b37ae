"""A handler that cannot be loaded."""


def handle(data, context):
    raise KeyError("never loads")
