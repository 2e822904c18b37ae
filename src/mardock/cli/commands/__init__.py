"""The commands: a module each, or one for a group of them, that declares their options and tells what came of it."""
