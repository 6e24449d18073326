"""A small GPT that learns to write Python, character by character."""
