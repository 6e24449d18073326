# Train a small GPT on the source of Python's own library:  engine train examples/lm/config.py
_base_ = [
    "_base_/model.py",
    "_base_/dataset.py",
    "_base_/schedule.py",
    "_base_/runtime.py",
]

work_dir = "work_dirs/lm"
