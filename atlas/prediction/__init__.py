"""The anatomy one cannot see, from what one can: calibration, prediction, files."""
