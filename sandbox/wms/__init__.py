"""The simulated WMS: the generic REST contract, the stock and the callbacks."""
