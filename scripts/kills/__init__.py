"""Kill runs at random moments, resume each, and hold the end against that of an unbroken run."""
