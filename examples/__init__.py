"""Examples: each folder holds a configuration and what it names."""
