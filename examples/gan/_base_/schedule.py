train_cfg = dict(by_epoch=True, max_epochs=40, val_interval=10)
val_cfg = dict()

# one optimizer for each of the two networks
optim_wrapper = dict(
    constructor="OneForEachPart",
    generator=dict(optimizer=dict(type="Adam", lr=0.001, betas=(0.5, 0.9))),
    discriminator=dict(optimizer=dict(type="Adam", lr=0.002, betas=(0.5, 0.9))),
)

param_scheduler = dict(
    generator=[dict(type="LinearLR", start_factor=0.1, by_epoch=False, begin=0, end=20)],
    discriminator=[dict(type="CosineAnnealingLR", eta_min=0.0002, by_epoch=True)],
)
