"""Random histories against plain models."""
