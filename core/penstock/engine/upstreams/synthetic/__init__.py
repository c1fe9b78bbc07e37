"""The synthetic model as an upstream: its options, its requests by number, its times and its faults.

`penstock.dialects.synthetic` makes the answers. Everything with time or state is here.
"""
