"""Turn probability maps into lesions, and measure, review and edit them."""
