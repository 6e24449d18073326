default_scope = "engine"

default_hooks = dict(
    logger=dict(type="LoggerHook", interval=16),
    checkpoint=dict(type="CheckpointHook", interval=10, save_best="energy_distance", rule="less"),
)

log_processor = dict(window_size=16, by_epoch=True)
randomness = dict(seed=0)
