default_scope = "engine"

default_hooks = dict(
    logger=dict(type="LoggerHook", interval=20, log_metric_by_epoch=False),
    checkpoint=dict(
        type="CheckpointHook", interval=100, by_epoch=False, save_best="loss", rule="less"
    ),
)

log_processor = dict(window_size=20, by_epoch=False)
randomness = dict(seed=0)
