custom_imports = dict(imports=["examples.digits.components"])

model = dict(type="DigitNet", width=32, num_classes=10)
