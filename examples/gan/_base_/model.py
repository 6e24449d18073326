custom_imports = dict(imports=["examples.gan.components"])

model = dict(type="RingGAN", width=64)
