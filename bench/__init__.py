"""The bench: load over HTTP, against any server of the Responses API. It never imports penstock.

Run `python -m bench`; `bench/README.md` lists which tool measures what.
"""
