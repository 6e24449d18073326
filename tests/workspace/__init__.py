"""Tests of the repository itself: its packages' borders, sizes, exports and settings."""
