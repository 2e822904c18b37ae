"""A deployment tried on this machine: the cloud's own image and files in a container, probed as the cloud does."""
