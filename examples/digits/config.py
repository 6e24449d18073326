# Train a small network on scanned digits:  engine train examples/digits/config.py
_base_ = [
    "_base_/model.py",
    "_base_/dataset.py",
    "_base_/schedule.py",
    "_base_/runtime.py",
]

experiment = "digits"
work_dir = f"work_dirs/{experiment}"
