"""Each page's numbers, computed a second time.

A module here that names its ``PAGE`` is that page's: what its numbers are and how far the page may
be from them, what its claims say. `checks` tells what it exports; `tests/test_pages.py` holds every
page against it. The other modules are what several pages need. Nothing here uses the library.
"""
