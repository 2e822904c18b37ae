"""The jobs of the commands, for whoever asks: they take values and a Listener, return values, and print nothing."""
