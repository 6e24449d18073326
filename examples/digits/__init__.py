"""Scanned handwritten digits, told apart by a small convolutional network."""
