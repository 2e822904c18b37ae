"""The words and tables that commands show results with: a module for each kind of result."""
