"""mardock takes a trained PyTorch model to a served endpoint on your own machine."""

__version__ = "0.1.0"
