"""The network, its inputs, its card, the store of models and the engines that run it."""
