"""Run the notebooks of notebooks/ and store what their cells print and draw.

    python scripts/run_notebooks.py

Every notebook is run from top to bottom in a new process, in its own folder, without Jupyter: a cell prints, shows the
value of its last expression, and shows the figures of pyplot that it has drawn.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def executed(path: Path) -> dict[str, Any]:
    """Return a notebook with the outputs of a run in a new process; RuntimeError if a cell fails."""
    notebook = read(path)
    sources = ["".join(cell["source"]) for cell in code_cells(notebook)]
    done = subprocess.run(
        [sys.executable, "-W", "error", __file__, "--cells"],
        input=json.dumps(sources),
        capture_output=True,
        text=True,
        cwd=path.parent,
        env={**os.environ, "MPLBACKEND": "agg"},
    )
    if done.returncode:
        raise RuntimeError(f"{path.name}\n{done.stderr}")
    for number, (cell, outputs) in enumerate(zip(code_cells(notebook), json.loads(done.stdout), strict=True), 1):
        cell |= {"execution_count": number, "outputs": outputs}
    return notebook


def code_cells(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def text_of(notebook: dict[str, Any]) -> list[str]:
    """Return the lines that the cells have printed, with `(figure)` for each figure."""
    outputs = [output for cell in code_cells(notebook) for output in cell["outputs"]]
    texts = [output.get("text") or output["data"].get("text/plain", ["(figure)"]) for output in outputs]
    return [line.rstrip("\n") for text in texts for line in text]


def run_cells(sources: list[str]) -> list[list[dict[str, Any]]]:
    """Run cells in one namespace and return the outputs of each in the format of Jupyter (nbformat 4)."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    return [list(run_cell(source, namespace)) for source in sources]


def run_cell(source: str, namespace: dict[str, Any]) -> Any:
    *body, last = ast.parse(source).body
    shown = isinstance(last, ast.Expr) and not source.rstrip().endswith(";")
    value, printed = None, io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(ast.Module(body if shown else [*body, last], []), "<cell>", "exec"), namespace)
        if shown:
            value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), namespace)
    if text := printed.getvalue():
        yield {"output_type": "stream", "name": "stdout", "text": text.splitlines(keepends=True)}
    if value is not None:
        yield display({"text/plain": repr(value).splitlines(keepends=True)})
    yield from figures()


def figures() -> Any:
    """Yield the open figures of pyplot, and close them."""
    if plt := sys.modules.get("matplotlib.pyplot"):
        for number in plt.get_fignums():
            picture = io.BytesIO()
            plt.figure(number).savefig(picture, dpi=72, metadata={"Software": None}, bbox_inches="tight")
            yield display({"image/png": base64.b64encode(picture.getvalue()).decode()})
            plt.close(number)


def display(data: dict[str, Any]) -> dict[str, Any]:
    return {"output_type": "display_data", "data": data, "metadata": {}}


def main() -> None:
    if "--cells" in sys.argv:
        json.dump(run_cells(json.load(sys.stdin)), sys.stdout)
        return
    for path in NOTEBOOKS:
        path.write_text(json.dumps(executed(path), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        print(path.name)


if __name__ == "__main__":
    main()
