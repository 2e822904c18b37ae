"""How the pages of this folder become a site: `make docs`."""

from __future__ import annotations

import mardock

project = "mardock"
author = "the mardock authors"
release = version = mardock.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = "mardock"
exclude_patterns = ["_build"]

myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]

autodoc_typehints = "description"
autodoc_member_order = "bysource"
napoleon_use_ivar = True  # a dataclass's attributes are told once
nitpicky = False
