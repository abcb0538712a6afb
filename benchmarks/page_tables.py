"""Write the tables of pages that come from kept results.

python benchmarks/page_tables.py

Such a table stands in a page between two comments:

    <!-- dim.table results/dim.json -->
    <!-- end -->

The first one names a function of a script, and the files of benchmarks/ that it reads: it gets
the content of each, and returns the lines of the table. `tests/test_figures.py` compares.
"""

import importlib
import re
from pathlib import Path

from seamwise.io import atomic_path, read_json

HERE = Path(__file__).parent
ROOT = HERE.parent
PAGES = (
    ROOT / "README.md",
    HERE / "README.md",
    *sorted(ROOT.glob("src/seamwise/models/*.md")),
)
TABLE = re.compile(r"(<!-- ([\w.]+)\.(\w+) (\S+(?: \S+)*) -->\n).*?(<!-- end -->)", re.DOTALL)


def render(page: str) -> str:
    """Return a page with its tables as their results have them."""

    def table(match: re.Match[str]) -> str:
        begin, module, function, files, end = match.groups()
        contents = [read_json(HERE / name) for name in files.split()]
        lines = getattr(importlib.import_module(module), function)(*contents)
        return "\n".join([begin, *lines, "", end])

    return TABLE.sub(table, page)


def main() -> None:
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        if render(text) != text:
            with atomic_path(path) as temporary:
                temporary.write_text(render(text), encoding="utf-8")
            print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
