"""Benchmarks: each module compares contenders interleaved in one run, by the harness."""
