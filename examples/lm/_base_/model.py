custom_imports = dict(imports=["examples.lm.components"])

model = dict(type="GPT", block_size=128, width=128, depth=4, heads=4)
