"""The lock on a run's directory: its holder, and nobody else, trains the run, asks for it again or moves it."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import Any

from filelock import FileLock, lock_descriptor


class RunLock(FileLock):
    """A lock that is only ever held on a run that is there, and never brings a removed one's folder back."""

    def acquire(self, *arguments: Any, **options: Any) -> Any:
        """As FileLock's; FileNotFoundError if the run was moved or removed by the time the lock was ours."""
        folder = Path(self.lock_file).parent
        if not present(folder):
            raise _gone(folder)
        proxy = super().acquire(*arguments, **options)
        if present(folder):
            return proxy
        self.release()
        with contextlib.suppress(OSError):  # a lock makes the folder it lies in
            os.unlink(self.lock_file)
            folder.rmdir()
        raise _gone(folder)


def is_held(path: Path) -> bool:
    """Whether a living process holds the lock in this file."""
    file = _open_existing(path)
    if file is None:
        return False
    try:
        return not lock_descriptor(file, blocking=False)
    except OSError:
        return False
    finally:
        os.close(file)


def present(path: Path) -> bool:
    """Whether a run's directory is there; one that may not be looked into is."""
    try:
        os.stat(path / "config.json")
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError:
        return True
    return True


def _gone(folder: Path) -> FileNotFoundError:
    return FileNotFoundError(errno.ENOENT, "the run was removed", str(folder))


def _open_existing(path: Path) -> int | None:
    """A descriptor to ask for the lock with; opening never creates the file, for the run may be on its way out."""
    for access in (os.O_RDWR, os.O_RDONLY):
        try:
            return os.open(path, access)
        except OSError:
            continue
    return None
