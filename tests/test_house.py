"""The sizes that CONTRIBUTING sets: of modules, of signatures, of statements.

Ruff checks the length of lines and the complexity of functions.
"""

import ast
from pathlib import Path

import pytest

from support.long_tests import LONGEST

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "seamwise"
MODULES = sorted(SOURCE.rglob("*.py"))
APPS = sorted((ROOT / "apps").rglob("*.py"))
FOLDERS = ("src", "apps", "benchmarks", "examples", "recipes", "reproduction")

LONGEST_MODULE = 450
MOST_PARAMETERS = 8
MOST_OF_GENERATORS = 14  # synthetic images

NESTED = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
# too large today; nothing joins these lists
LONG_MODULES: set[str] = set()
MANY_PARAMETERS: set[str] = set()
NESTED_STATEMENTS: set[str] = set()


def name_of(path):
    return str(path.relative_to(SOURCE if path.is_relative_to(SOURCE) else ROOT))


def is_public(path, function):
    parts = (*Path(name_of(path)).parts, function.name)
    return not any(part.startswith("_") and part != "__init__.py" for part in parts)


def parameters(function):
    """How many arguments a caller can give; `self` and `cls` are not counted."""
    arguments = function.args
    names = [one.arg for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    return len([name for name in names if name not in ("self", "cls")])


def most_parameters(path):
    """The limit of a module; the parameters of a command are the options of the command line."""
    room = Path(name_of(path)).parts[0]
    return {"cli": 1000, "synth": MOST_OF_GENERATORS}.get(room, MOST_PARAMETERS)


def public_functions(path):
    """Functions and methods of a module without an underscore, by their full name."""
    tree = ast.parse(path.read_text())
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and is_public(path, node):
            yield node.name, node
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and is_public(path, method):
                    yield f"{node.name}.{method.name}", method


def statements(tree):
    """The statements of a module without the statements within them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt):
            yield node


def own_expressions(node):
    """The expressions of a statement, and not those of the statements in its body."""
    waiting = [child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.stmt)]
    while waiting:
        child = waiting.pop()
        yield child
        waiting += [
            inner for inner in ast.iter_child_nodes(child) if not isinstance(inner, ast.stmt)
        ]


def nests(node):
    """Whether a comprehension lies in a comprehension, or a conditional in a conditional."""
    return any(
        isinstance(inner, kinds)
        for outer in own_expressions(node)
        if isinstance(outer, (*NESTED, ast.IfExp))
        for kinds in [ast.IfExp if isinstance(outer, ast.IfExp) else NESTED]
        for inner in ast.walk(outer)
        if inner is not outer
    )


def nested_statements(text):
    """The lines of the statements that nest two comprehensions or two conditional expressions."""
    tree = ast.parse(text)
    return [node.lineno for node in statements(tree) if nests(node)]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_fits_a_reader(path):
    if name_of(path) not in LONG_MODULES:
        assert len(path.read_text().splitlines()) <= LONGEST_MODULE


def test_the_longest_files_of_tests_exist():
    assert [name for name in LONGEST if not (ROOT / "tests" / name).is_file()] == []


@pytest.mark.parametrize("folder", ["apps", "benchmarks", "examples", "recipes"])
def test_scripts_fit_a_reader(folder):
    lengths = {
        path.name: len(path.read_text().splitlines())
        for ending in ("py", "js")
        for path in (ROOT / folder).rglob(f"*.{ending}")
    }
    assert {name: n for name, n in lengths.items() if n > LONGEST_MODULE} == {}


def test_public_functions_have_few_parameters():
    many = {
        f"{name_of(path)}:{name}"
        for path in (*MODULES, *APPS)
        for name, function in public_functions(path)
        if parameters(function) > most_parameters(path)
    }
    assert many <= MANY_PARAMETERS, many - MANY_PARAMETERS


def test_no_statement_nests_comprehensions_or_conditionals():
    nested = {
        str(path.relative_to(ROOT)): lines
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
        if (lines := nested_statements(path.read_text()))
    }
    new = {name: lines for name, lines in nested.items() if name not in NESTED_STATEMENTS}
    assert not new


def test_links_are_followed_in_one_way():
    """`Path.resolve` raises a RuntimeError for a link that leads to itself: see `real_path`."""
    assert [name_of(path) for path in MODULES if ".resolve()" in path.read_text()] == []


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("a = [b for b in c]", []),
        ("a = [[b for b in c] for c in d]", [1]),
        ("a = [b for b in (c for c in d)]", [1]),
        ("a = 1 if b else 2", []),
        ("x = 0\na = 1 if b else 2 if c else 3", [2]),
        ("def f():\n    a = 1 if b else 2\n    return [c for c in a]", []),
        ("a = [1 if b else 2 for b in c]", []),
        ("for a in [b for b in c]:\n    d = [e for e in a]", []),
    ],
)
def test_nested_statements_are_seen(text, lines):
    assert nested_statements(text) == lines


def words_of(node):
    """The text of a message, with {} for what is filled in."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(map(words_of, node.values))
    return "{}"


def messages(path):
    raised = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Raise))
    calls = [node.exc for node in raised if isinstance(node.exc, ast.Call)]
    return [(call.lineno, words_of(argument)) for call in calls for argument in call.args]


@pytest.mark.parametrize("path", [*MODULES, *APPS], ids=name_of)
def test_what_does_not_exist_or_fit_comes_with_what_to_do(path):
    """Of four usual endings only: whether another message says what to do, its reader judges."""
    ends = ("does not exist", "of one size", "already exists", "cannot be compared")
    bare = [(line, text) for line, text in messages(path) if text.endswith(ends)]
    assert bare == [], "say how to fix it, behind a colon"
