"""Bring files of the repository outside of ``docs/`` into the site, and turn links to them.

Pages in Markdown (cards of models, benchmarks) become pages. Scripts and settings that a page links
to become pages that show their text. Notebooks are files to download.
"""

import re
from pathlib import Path
from posixpath import dirname, join, normpath, relpath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
PAGES = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "src/seamwise/fusion/classical/cnn.md": "models/cnn.md",
    **{
        f"benchmarks/{path.name}": f"benchmarks/{path.name}"
        for path in ROOT.glob("benchmarks/*.md")
    },
    **{
        f"src/seamwise/models/{path.name}": f"models/{path.name}"
        for path in ROOT.glob("src/seamwise/models/*.md")
    },
}
"""Where a page of the repository stands in the site."""

NOTEBOOK = ".ipynb"

LINK = re.compile(r"\]\((?!\w+:)([^)\s#]+)(#[^)\s]*)?\)")
CODE = re.compile(r"(^ *```.*?^ *```$|`[^`\n]*`)", re.MULTILINE | re.DOTALL)
LANGUAGES = {".py": "python", ".toml": "toml", ".groovy": "groovy", ".ijm": "java"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the repository, and a page for each file that a page links to."""
    for source, target in PAGES.items():
        files.append(File.generated(config, target, abs_src_path=str(ROOT / source)))
    for source in sorted(
        {link for page in files.documentation_pages() for link in code_links(page)}
    ):
        if source.endswith(NOTEBOOK):
            files.append(File.generated(config, source, abs_src_path=str(ROOT / source)))
        else:
            files.append(File.generated(config, code_page(source), content=code_text(source)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Turn the links of a page from the folders of the repository to those of the site."""
    source, target = source_of(page.file.src_uri), page.file.src_uri

    def turned(link: re.Match[str]) -> str:
        place = in_site(normpath(join(dirname(source), link[1])))
        return f"]({relpath(place, dirname(target) or '.')}{link[2] or ''})"

    if target.startswith("code/"):
        return markdown
    parts = CODE.split(markdown)  # text and code in turn
    parts[::2] = [LINK.sub(turned, text) for text in parts[::2]]
    return "".join(parts)


def on_page_content(html: str, **_: object) -> str:
    """Let a click on a picture show it in its own size."""
    return re.sub(
        r"<p>(<img [^>]*?src=\"([^\"]+)\"[^>]*>)</p>", r'<p><a href="\2">\1</a></p>', html
    )


def source_of(target: str) -> str:
    """Return the path in the repository of a page of the site."""
    sources = {target: source for source, target in PAGES.items()}
    return sources.get(target, f"docs/{target}")


def in_site(source: str) -> str:
    """Return where a file of the repository stands in the site."""
    if source.startswith("docs/"):
        return source.removeprefix("docs/")
    return source if source.endswith(NOTEBOOK) else PAGES.get(source) or code_page(source)


def code_page(source: str) -> str:
    """Return the page that shows a file or folder of the repository."""
    return f"code/{source}.md"


def code_links(page: File) -> set[str]:
    """Return the scripts, settings and folders outside of ``docs/`` that a page links to."""
    folder = dirname(source_of(page.src_uri))
    links = {normpath(join(folder, link[1])) for link in LINK.finditer(page.content_string)}
    return {link for link in links if is_code(link) and (ROOT / link).exists()}


def is_code(source: str) -> bool:
    """Whether a file of the repository is shown or offered by itself."""
    return in_site(source).startswith("code/") or source.endswith(NOTEBOOK)


def code_text(source: str) -> str:
    """Return a page that shows a file, or each script of a folder."""
    path = ROOT / source
    files = sorted(path.glob("*.py")) if path.is_dir() else [path]
    parts = [f"---\nsearch: {{exclude: true}}\n---\n\n# {source}"]
    for file in files:
        title = [f"## {file.name}"] if path.is_dir() else []
        block = f"````{LANGUAGES.get(file.suffix, 'text')}\n{file.read_text()}\n````"
        parts += [*title, block]
    return "\n\n".join(parts) + "\n"
