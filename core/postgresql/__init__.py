"""Django's PostgreSQL backend, with fewer questions whether a connection is alive."""
