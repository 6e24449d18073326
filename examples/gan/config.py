# Train two small networks against each other on points of a ring:  engine train examples/gan/config.py
_base_ = [
    "_base_/model.py",
    "_base_/dataset.py",
    "_base_/schedule.py",
    "_base_/runtime.py",
]

work_dir = "work_dirs/gan"
