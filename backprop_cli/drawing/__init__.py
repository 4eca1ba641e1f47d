"""Arrays to matplotlib figures, in one style. Knows neither runs nor files."""
