"""How coefficient planes travel beside the context coder: one module a way."""
