"""Many elements become few: sums, statistics, orders, histograms, distances."""
