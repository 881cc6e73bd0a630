"""Speed, as ratios to a floor measured in the same minute on the same machine. Nothing here is asserted in a test."""
