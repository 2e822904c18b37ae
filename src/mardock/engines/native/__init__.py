"""The native engine: TorchServe from pip on this machine's own Java, as a process that outlives the command."""

from mardock.engines.native.engine import NativeEngine

__all__ = ["NativeEngine"]
