train_pipeline = [
    dict(type="ToImage"),
    dict(type="RandomShift", pixels=1),
]
test_pipeline = [
    dict(type="ToImage"),
]

train_dataloader = dict(
    batch_size=64,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=True),
    collate_fn=dict(type="default_collate"),
    dataset=dict(type="Digits", split="train", pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=256,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=False),
    collate_fn=dict(type="default_collate"),
    dataset=dict(type="Digits", split="test", test_mode=True, pipeline=test_pipeline),
)
test_dataloader = val_dataloader

val_evaluator = dict(type="Accuracy")
test_evaluator = val_evaluator
