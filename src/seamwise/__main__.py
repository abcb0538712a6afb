"""`python -m seamwise` is the `seamwise` command."""

from seamwise.cli import main

if __name__ == "__main__":
    main()
