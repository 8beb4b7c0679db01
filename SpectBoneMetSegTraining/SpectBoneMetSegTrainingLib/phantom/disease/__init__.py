"""Tracer uptake of a patient: normal uptake, metastases, mimics and the course of the disease."""
