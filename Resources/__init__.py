"""Skeleton atlas and sample study."""
