"""The command line. Results go to stdout, everything else to stderr; an error is one line and an exit code."""

from __future__ import annotations

import errno
import os
import sys
import traceback

from vae_core.cli.parser import complain, joined, parser


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    options = parser().parse_args(joined(sys.argv[1:] if arguments is None else arguments))
    try:
        from vae_core.cli.actions import ACTIONS  # loads torch, which --help need not wait for

        code = ACTIONS[options.command](options)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # whoever read our results has enough of them
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except (Exception, KeyboardInterrupt) as error:
        return complain(*_told(error))


def _told(error: BaseException) -> tuple[str, int]:
    """An error as one sentence, and the exit code."""
    from vae_core.spec import InputError

    match error:
        case InputError():
            return str(error), 2
        case RecursionError():
            return "the input is nested too deeply", 2
        case KeyboardInterrupt():
            return "interrupted", 130
        case MemoryError():
            return "out of memory", 71
        case OSError():
            what = f"{error.strerror or error}" + (f" ({error.filename})" if error.filename else "")
            return what, 74 if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS) else 1
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"an error in the program ({type(error).__name__}: {error}, {place.filename}:{place.lineno})", 1
