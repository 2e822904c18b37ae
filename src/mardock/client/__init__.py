"""TorchServe over the wire: one client per API, and the errors its answers become."""
