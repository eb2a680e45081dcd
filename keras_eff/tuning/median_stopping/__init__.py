"""The rule of `MedianStopping`, and the curves and trials that it looks at."""
