"""A model in other forms (TorchScript, torch.compile, int8 …), each verified against eager before it is timed."""
