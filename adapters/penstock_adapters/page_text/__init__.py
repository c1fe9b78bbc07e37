"""The text of pages: taken out of HTML and PDF in processes of their own, with bounds of memory and time.

Pages are written by anyone, and parsers are large. A process that breaks, hangs or grows costs one page. Its
environment is empty, so that it has no secrets.
"""

from .extractor import ProcessExtractor as ProcessExtractor
