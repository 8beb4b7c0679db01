"""The version, which receipts and cards name."""

__version__ = "0.1.0"
