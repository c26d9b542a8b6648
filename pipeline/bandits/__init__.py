"""Shares over choices whose results are counted: creatives, offers. Pure: values in, values out."""
