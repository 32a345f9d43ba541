"""The simulated WMS: the generic REST contract, its stock, its callbacks."""
