"""The training sets D1-D4 of the paper, with its GAN and its geometric copies."""
