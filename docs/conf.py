"""The documentation site: ``make docs`` builds it, and takes warnings for errors."""

from __future__ import annotations

import re
from importlib.metadata import version as version_of
from types import ModuleType
from typing import Any

from docutils import nodes

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
html_css_files = ["pages.css"]

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

_ANNOTATED = re.compile(r"~?(?:\w+\.)*Annotated\[")
_ALIAS = re.compile(r"~?(?:\w+\.)*TypeAliasForwardRef\('(\w+)'\)")
_MARKED = re.compile(r"^```python (no-run|litert)$", re.MULTILINE)
_OUTPUT = re.compile(r"^```text output( measured)?$", re.MULTILINE)


def _source(app: Any, page: str, text: list[str]) -> None:
    """Mark the blocks that no test runs or that need LiteRT, and what blocks print."""
    text[0] = _MARKED.sub(r"```{code-block} python\n:class: \1\n", text[0])
    text[0] = _OUTPUT.sub(
        lambda found: (
            f"```{{code-block}} text\n:class: output{(found[1] or '').replace(' ', ' output-')}\n"
        ),
        text[0],
    )


def _skip(app: Any, what: str, name: str, item: Any, skip: bool, options: Any) -> bool | None:
    """Leave out modules, fields of named tuples, and what the top of the package documents."""
    module = app.env.ref_context.get("py:module") or app.env.temp_data.get("autodoc:module")
    again = (
        what == "module"
        and module != "optuna_ofa"
        and name in optuna_ofa.__all__
        and getattr(optuna_ofa, name) is item
    )
    # a field of a NamedTuple, which the class describes among its arguments
    field = (getattr(item, "__doc__", None) or "").startswith("Alias for field number")
    return True if again or field or isinstance(item, ModuleType) else None


def _bases(app: Any, name: str, item: Any, options: Any, bases: list[Any]) -> None:
    """Do not say that a class is an object."""
    bases[:] = [base for base in bases if base is not object]


def _tree(app: Any, tree: Any) -> None:
    """Remove the line of bases from classes that have none."""
    for paragraph in list(tree.findall(nodes.paragraph)):
        if paragraph.astext().strip() == "Bases:":
            paragraph.parent.remove(paragraph)


def _signature(
    app: Any, what: str, name: str, item: Any, options: Any, signature: str | None, returned: str
) -> tuple[str | None, str]:
    """Show the types of arguments, without the rules that stand beside them."""
    if signature:
        while found := _ANNOTATED.search(signature):
            signature = _without_rule(signature, found)
        signature = _ALIAS.sub(r"\1", signature)
    return signature, returned


def _without_rule(text: str, found: re.Match[str]) -> str:
    """Return the text with ``Annotated[type, rule]`` replaced by the type."""
    depth, comma = 0, None
    for i, letter in enumerate(text[found.end() :], found.end()):
        if letter == "," and not depth and comma is None:
            comma = i
        if letter == "]" and not depth:
            return text[: found.start()] + text[found.end() : comma] + text[i + 1 :]
        depth += {"[": 1, "]": -1}.get(letter, 0)
    raise ValueError(f"no end of an annotation in {text}")


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _source)
    app.connect("autodoc-skip-member", _skip)
    app.connect("autodoc-process-signature", _signature)
    app.connect("autodoc-process-bases", _bases)
    app.connect("doctree-read", _tree)
