"""Every error that gscodec raises on purpose, as one tree.

GscodecError                    exit code
├── CheckFailed                 1  looked at and found wanting (verify, eval gates)
├── Misuse                      2  the caller asked for something that can't be
├── BadInput                    3  a file, field or message is wrong
│   ├── Truncated                  ... ends too early
│   ├── Unsupported                ... is of a kind or version not read here
│   └── LimitExceeded              ... asks for more than the budget allows
└── MissingDependency           4  the environment lacks something; the remedy is named
"""

from __future__ import annotations

from zipfile import BadZipFile

__all__ = [
    "UNREADABLE",
    "BadInput",
    "CheckFailed",
    "GscodecError",
    "LimitExceeded",
    "MissingDependency",
    "Misuse",
    "Truncated",
    "Unsupported",
]

# What numpy and its kin raise where a file is of another kind, or damaged.
UNREADABLE = (OSError, EOFError, KeyError, IndexError, ValueError, TypeError, RuntimeError, BadZipFile)


class GscodecError(Exception):
    """Base of all errors raised on purpose. `where` holds named places (file, field, offset ...)."""

    exit_code = 1

    def __init__(self, message: str, **where: object) -> None:
        self.message = message
        self.where = {key: value for key, value in where.items() if value is not None}
        super().__init__(message)

    def __str__(self) -> str:
        places = ", ".join(f"{key}={value}" for key, value in self.where.items())
        return f"{self.message} ({places})" if places else self.message


class CheckFailed(GscodecError):
    """Something was checked and found wanting."""

    exit_code = 1


class Misuse(GscodecError):
    """The caller asked for something that can't be: a usage error."""

    exit_code = 2


class BadInput(GscodecError):
    """A file, field or message is wrong."""

    exit_code = 3


class Truncated(BadInput):
    """The input ends too early."""


class Unsupported(BadInput):
    """The input is of a kind or version that is not read here."""


class LimitExceeded(BadInput):
    """The input asks for more than the budget allows."""


class MissingDependency(GscodecError):
    """The environment lacks something; the message names the remedy."""

    exit_code = 4
