"""
Sends logged calls of AI models to `POST /v1/usage/events`.

Needs Python and msgspec: no Django, no settings, nothing else of the platform.
"""
