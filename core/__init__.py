"""The kernel: money, time, ids, errors, locks, the wire's dialects. Imports no app."""
