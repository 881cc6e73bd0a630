"""Everything that writes usage: the price book, and ingest."""
