"""From a saved file to a new version that serves, without a request lost: watch, build, probe, switch, retire."""
