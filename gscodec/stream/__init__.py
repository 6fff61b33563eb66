"""Serving and fetching `.gsv`: the protocol core (sans-I/O), the server, a local authority, a small client."""
