"""Cells of a notebook that are programs."""
from __future__ import annotations

from typing import Any

from ._model import CompileError, compile


def register(shell: Any) -> None:
    from IPython.core.magic import register_cell_magic

    @register_cell_magic
    def hnnc(line: str, cell: str) -> Any:
        """%%hnnc NAME: compiles the cell; the model is then in the variable NAME (default `model`)."""
        name = line.strip() or "model"
        try:
            shell.user_ns[name] = compile(cell, name + ".hnn")
        except CompileError as e:
            print(e)
            return None
        return shell.user_ns[name]
