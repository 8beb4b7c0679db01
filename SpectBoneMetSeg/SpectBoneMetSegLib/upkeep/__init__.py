"""Whether things are as they should be: receipts read again, an installation looked over."""
