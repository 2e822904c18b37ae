"""Engines: who runs TorchServe, natively or in containers, behind one protocol."""
