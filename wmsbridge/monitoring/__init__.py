"""Shows whether the installation works: probes, metrics, workers, logs."""
