"""For the reference: public names by their packages, and docstrings as Markdown."""

import re
from itertools import chain
from typing import Any

import griffe


class Reference(griffe.Extension):
    """Changes what griffe read: functions go before modules of their name, `::` becomes a colon."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """End the line before a block of literal text by one colon; drop a line of colons alone."""
        if obj.docstring:
            text = re.sub(r"^::\n", "", obj.docstring.value, flags=re.MULTILINE)
            obj.docstring.value = re.sub(r"::$", ":", text, flags=re.MULTILINE)

    def on_package(self, *, pkg: griffe.Module, loader: griffe.GriffeLoader, **_: Any) -> None:
        """Let a public name stand for the function where a module has the same name."""
        loader.resolve_aliases(implicit=True, external=False)
        for package in packages(pkg):
            for name, source in package.imports.items():
                if source == f"{package.path}.{name}.{name}":
                    target = package[name].members[name]
                    package.set_member(name, griffe.Alias(name, target, parent=package))


def packages(package: griffe.Module) -> list[griffe.Module]:
    """Return a package and all packages in it, the inner ones first."""
    inner = [member for member in package.modules.values() if not member.is_alias]
    return [*chain.from_iterable(packages(module) for module in inner), package]
