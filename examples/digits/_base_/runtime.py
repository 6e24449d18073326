default_scope = "engine"

default_hooks = dict(
    runtime_info=dict(type="RuntimeInfoHook"),
    timer=dict(type="IterTimerHook"),
    sampler_seed=dict(type="DistSamplerSeedHook"),
    logger=dict(type="LoggerHook", interval=10),
    param_scheduler=dict(type="ParamSchedulerHook"),
    checkpoint=dict(type="CheckpointHook", interval=1, max_keep_ckpts=3, save_best="auto"),
)

env_cfg = dict(cudnn_benchmark=False, dist_cfg=dict(backend="nccl"))
visualizer = dict(type="Visualizer", vis_backends=[dict(type="LocalVisBackend")])
log_processor = dict(window_size=10, by_epoch=True)
log_level = "INFO"

randomness = dict(seed=0)
load_from = None
resume = False
launcher = "none"
