"""The documentation site: ``make docs`` builds it, and takes warnings for errors."""

from __future__ import annotations

import re
from importlib.metadata import version as version_of
from types import ModuleType
from typing import Any

import optuna_ofa

project = "optuna_ofa"
version = release = version_of("optuna-ofa")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"optuna_ofa {release}"
html_show_copyright = False
html_static_path = ["_static"]
html_css_files = ["no_run.css"]

myst_heading_anchors = 3
myst_links_external_new_tab = True

default_role = "py:obj"  # single backticks in docstrings name objects, where there is one
autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_type_aliases = {name: name for name in ("NDArray", "ArrayLike", "Matrix", "Array")}
python_maximum_signature_line_length = 88
napoleon_numpy_docstring = False
napoleon_use_rtype = False

_NO_RUN = re.compile(r"^```python no-run$", re.MULTILINE)


def _source(app: Any, page: str, text: list[str]) -> None:
    """Mark the blocks that no test runs."""
    text[0] = _NO_RUN.sub("```{code-block} python\n:class: no-run\n", text[0])


def _skip(app: Any, what: str, name: str, item: Any, skip: bool, options: Any) -> bool | None:
    """Leave out modules, and what is documented at the top of the package already."""
    module = app.env.ref_context.get("py:module") or app.env.temp_data.get("autodoc:module")
    again = (
        what == "module"
        and module != "optuna_ofa"
        and name in optuna_ofa.__all__
        and getattr(optuna_ofa, name) is item
    )
    return True if again or isinstance(item, ModuleType) else None


def _bases(app: Any, name: str, item: Any, options: Any, bases: list[Any]) -> None:
    """Do not say that a class is an object."""
    bases[:] = [base for base in bases if base is not object]


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _source)
    app.connect("autodoc-skip-member", _skip)
    app.connect("autodoc-process-bases", _bases)
