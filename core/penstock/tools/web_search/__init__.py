"""Web search: the hosted tool that searches the web and opens pages, for models that know functions only.

It knows the tool's parameters, its functions, its items and what the model reads. A `SearchEngine` finds pages and a
`PageReader` reads them.
"""

from .family import WebSearch as WebSearch
