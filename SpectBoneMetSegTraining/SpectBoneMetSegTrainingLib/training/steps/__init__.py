"""The gradient step of each backend of Keras: the only part of a training that differs between them."""
