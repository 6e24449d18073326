"""Any of the examples on the nodes of a Ray cluster."""
