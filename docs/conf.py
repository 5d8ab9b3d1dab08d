# The site: `python3 -m sphinx -W docs build/site`, with Debian's python3-sphinx, python3-myst-parser and furo. The pages are plain Markdown
# that GitHub shows as well; anchors are GitHub's. tests/driver/test_site.py builds it and fails on a warning.
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "site"))

project = "hnnc"
author = "the hnnc authors"
copyright = "the hnnc authors, Apache License 2.0"           # pylint: disable=redefined-builtin
extensions = ["myst_parser", "hnn_site"]
source_suffix = {".md": "markdown"}
root_doc = "index"
exclude_patterns = ["site", "notebooks", "pictures", "results-notes.md"]    # results.md has the notes
html_theme = "furo"
html_title = "hnnc"
html_static_path = ["site/static"]
html_css_files = ["hnnc.css"]
html_show_sphinx = False
html_copy_source = False
smartquotes = False                                          # `--seed` stays two dashes
myst_heading_anchors = 4
pygments_style = "tango"
pygments_dark_style = "monokai"
suppress_warnings = ["misc.highlighting_failure", "myst.header"]
