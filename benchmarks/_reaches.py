"""Where a file reaches into private attributes of other objects."""

from __future__ import annotations

import ast

OPTUNA = {
    "_backend",
    "_get_trials",
    "_last_created_trial_id_by_this_process",
    "_replay_result",
    "_stop_flag",
    "_storage",
    "_study_id",
    "_thread_local",
    "_trial_id",
}
NAMED_TUPLE = {"_asdict", "_fields", "_make", "_replace"}


class Reaches(ast.NodeVisitor):
    """Places with ``x._name`` in a file, by whose attribute it is."""

    def __init__(self, module: str, tree: ast.Module) -> None:
        self.ours: list[str] = []
        self.optunas: list[str] = []
        self.same_class: list[str] = []
        self.imported: list[str] = []
        self._module = module
        imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
        names = [alias.asname or alias.name for node in imports for alias in node.names]
        self._imports = {name.split(".")[0] for name in names} | set(names)
        self._owned: set[str] = set()
        self.visit(tree)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """Note what the class has while its methods are visited."""
        outer = self._owned
        own = {part.name for part in node.body if isinstance(part, ast.FunctionDef)}
        for part in node.body:
            if isinstance(part, ast.Assign | ast.AnnAssign):
                targets = part.targets if isinstance(part, ast.Assign) else [part.target]
                own |= {target.id for target in targets if isinstance(target, ast.Name)}
        for inner in ast.walk(node):
            if isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Store):
                own |= {inner.attr} if ast.unparse(inner.value) == "self" else set()
        self._owned = outer | (own - OPTUNA)
        self.generic_visit(node)
        self._owned = outer

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """Sort one place."""
        self.generic_visit(node)
        name, of = node.attr, ast.unparse(node.value)
        private = name.startswith("_") and not name.startswith("__") and name not in NAMED_TUPLE
        if not private or of in {"self", "cls", "super()"}:
            return
        if of in self._imports:
            places = self.imported
        elif name in self._owned:
            places = self.same_class
        else:
            places = self.optunas if name in OPTUNA else self.ours
        places.append(f"{self._module}:{node.lineno} {of}.{name}")
