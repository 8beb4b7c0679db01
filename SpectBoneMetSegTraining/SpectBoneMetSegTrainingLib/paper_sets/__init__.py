"""The paper's training sets D1-D4, with their DCGAN and geometric augmentation."""
