"""Whether the installation lives and works: probes, metrics, workers, logs."""
