"""Models and price book, events, rating, roll-ups."""
