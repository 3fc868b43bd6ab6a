"""What of a folder is not packed: by its ``.skyignore`` if it has one, else by ``.gitignore``s."""

from pathlib import Path, PurePosixPath

from pathspec import GitIgnoreSpec

SKYIGNORE, GITIGNORE = ".skyignore", ".gitignore"
_GIT = ".git"  # the repository itself is never packed


class Ignoring:
    """The rules of one folder. Ask folder by folder, from the top: what is below an ignored folder
    is ignored, whatever the rules say of it, as git has it."""

    def __init__(self, top: Path) -> None:
        self._top = top
        self._specs: dict[str, GitIgnoreSpec] = {}
        alone = _rules(top / SKYIGNORE)
        self._alone = alone is not None
        if alone is None:
            excluded = _rules(top / _GIT / "info" / "exclude") or []
            alone = excluded + (_rules(top / GITIGNORE) or [])
        self._specs[""] = GitIgnoreSpec.from_lines(alone)

    def ignores(self, path: str, *, folder: bool) -> bool:
        """Whether the rules leave out what is at a path, relative to the top."""
        if PurePosixPath(path).name == _GIT:
            return True
        for above in (str(each) for each in PurePosixPath(path).parents):
            where = "" if above == "." else above
            spec = self._spec(where)
            if spec is None:
                continue
            below = path.removeprefix(where).lstrip("/") + ("/" if folder else "")
            said = spec.check_file(below).include
            if said is not None:
                return said
        return False

    def _spec(self, folder: str) -> GitIgnoreSpec | None:
        """The rules that stand in a folder."""
        if folder and self._alone:
            return None
        if folder not in self._specs:
            rules = _rules(self._top / folder / GITIGNORE) or []
            self._specs[folder] = GitIgnoreSpec.from_lines(rules)
        return self._specs[folder]


def _rules(file: Path) -> list[str] | None:
    try:
        return file.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
