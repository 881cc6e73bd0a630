"""
Runs the platform on one machine: environment, embedded PostgreSQL and Valkey, processes, and the story of `make demo`.

Standard library only, and never imported by the product.
"""
