"""A local Stripe: one module per family of resources. `routes.py` collects what they answer."""

API_VERSION = "2026-08-26.dahlia"
"""The one version whose shapes are served."""
