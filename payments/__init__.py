"""Money that comes in: orders, attempts to pay them, what providers report, and what operators must look at."""
