"""The wire: dialects, errors, parsing, paging."""
