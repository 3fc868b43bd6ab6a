"""``python -m suan`` is the ``suan`` command."""

from suan.app.main import main

if __name__ == "__main__":
    main()
