"""A local page for seamwise: `seamwise app`.

This package uses the public names of seamwise only. `app` is the command; it joins the others
through the entry point ``seamwise.commands``.
"""

from seamwise_web.command import app

__all__ = ["app"]
