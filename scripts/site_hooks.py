"""MkDocs hooks: pages for documents, notebooks and files outside of docs/, and equations as MathML.

benchmarks/RESULTS.md, CONTRIBUTING.md and CHANGELOG.md become pages of the site. A link to a config, a test or a source
file leads to a page that shows the file, and a link to a folder to a list of its files. So the documents use the same
links in a checkout and on the site, and MkDocs checks all of them.

Equations are written in LaTeX, in `$…$` and in blocks marked `math`, as GitHub displays them. Here they become MathML,
which browsers display without a script. A command that is not known stops the build.
"""

from __future__ import annotations

import html
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from math_core import LatexToMathML
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]

ELSEWHERE = {
    "benchmarks/RESULTS.md": "benchmarks.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
"""Documents outside of docs/ and their pages."""

PAGES = {**ELSEWHERE, "README.md": "index.md"}
"""Targets of links; index.md replaces the README."""

HOMES = {page: document for document, page in ELSEWHERE.items()}
"""Pages and the documents outside of docs/ that they come from."""

LINK = re.compile(r"(?<=\]\()(?!https?:|#)([^)#\s]+)(?=[)#])")
MATH = re.compile(r'(<(?:span|div) class="arithmatex">)(?:\\\((.*?)\\\)|\\\[(.*?)\\\])(?=</(?:span|div)>)', re.DOTALL)
LEXERS = {".py": "python", ".yaml": "yaml", ".sh": "sh", ".c": "c", ".json": "json", ".md": "markdown"}


def on_files(files: Files, config: Any) -> Files:
    """Add the pages outside of docs/, and all files that pages link to."""
    for document, page in ELSEWHERE.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / document)))
    todo = [path for file in files.documentation_pages() for path in linked(file.src_uri, file.content_string)]
    while todo:
        path = todo.pop()
        page = page_of(path)
        if page in files.src_uris:
            continue
        full = ROOT / path
        if full.is_dir():
            inside = sorted(p for p in full.iterdir() if p.is_file() and p.suffix in LEXERS)
            todo += [p.relative_to(ROOT).as_posix() for p in inside]
            listing = "\n".join(f"- [{p.name}]({full.name}/{p.name}.md)" for p in inside)
            files.append(File.generated(config, page, content=source_page(path, listing)))
        elif full.suffix == ".ipynb":
            files.append(File.generated(config, page, content="\n\n".join(parts_of(full))))
        elif full.suffix in LEXERS:
            text = full.read_text(encoding="utf-8")
            fence = "`" * (max(map(len, re.findall("`+", text)), default=2) + 1) if "```" in text else "```"
            code = f"{fence}{LEXERS[full.suffix]}\n{text.rstrip()}\n{fence}"
            files.append(File.generated(config, page, content=source_page(path, code)))
        else:
            files.append(File.generated(config, page, abs_src_path=str(full)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Rewrite the links of a page to their targets on the site."""
    uri = page.file.src_uri
    if uri.startswith("source/"):
        return markdown
    here = PurePosixPath(uri).parent

    def on_the_site(link: re.Match[str]) -> str:
        path = resolved(uri, link[1])
        return os.path.relpath(page_of(path), here) if path and (ROOT / path).exists() else link[0]

    return LINK.sub(on_the_site, markdown)


def on_page_content(content: str, **_: Any) -> str:
    """Replace the LaTeX that `arithmatex` has marked with MathML."""
    latex = LatexToMathML(fancy_error=False)

    def mathml(found: re.Match[str]) -> str:
        opening, inline, block = found.groups()
        source = html.unescape(inline or block)
        return opening + latex.convert_with_local_state(source, displaystyle=inline is None)

    return MATH.sub(mathml, content)


def linked(uri: str, text: str) -> Iterator[str]:
    """Yield the files and folders outside of docs/ that a page links to."""
    for target in LINK.findall(text):
        path = resolved(uri, target)
        if path and (ROOT / path).exists() and not path.startswith("docs/"):
            yield path


def resolved(uri: str, target: str) -> str | None:
    """Return the path that a link refers to, relative to the project; None if it is outside."""
    home = PurePosixPath(HOMES.get(uri, f"docs/{uri}")).parent
    path = os.path.normpath(home / target)
    return None if path.startswith("..") else path


def page_of(path: str) -> str:
    """Return the page of a file of the project."""
    if path in PAGES:
        return PAGES[path]
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    if (ROOT / path).is_dir() or Path(path).suffix in {".ipynb", *LEXERS}:
        return f"source/{path}.md"
    return f"source/{path}"


def source_page(path: str, content: str) -> str:
    """Return a page that shows a file and is excluded from the search."""
    return f"---\ntitle: {path}\nsearch:\n  exclude: true\n---\n\n# `{path}`\n\n{content}\n"


def parts_of(notebook: Path) -> Iterator[str]:
    """Yield the cells of a notebook and their outputs as Markdown."""
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        yield source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```"
        for output in cell.get("outputs", []):
            data = output.get("data", {"text/plain": output.get("text")})
            if picture := data.get("image/png"):
                yield f"![Figure drawn by the code above](data:image/png;base64,{picture})"
            else:
                yield f"```text\n{''.join(data['text/plain'])}```"
