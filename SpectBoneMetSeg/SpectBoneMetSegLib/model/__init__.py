"""The network, its inputs, model cards, the model store and the inference engines."""
