"""What a secret may be called, and how large it may be."""

import re

from scheduling.errors import FieldError

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
FILE = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.-]{0,99}")
RESERVED = "TRAINYARD_"
MOST_BYTES, MOST_LINES = 64 * 1024, 200
MOST_OF_A_JOB = 20


def name_faults(name: str, field: str = "name") -> list[FieldError]:
    """What is wrong with the name: it becomes a variable of the job's environment."""
    if not NAME.fullmatch(name):
        words = "Must be like a variable of an environment: letters, digits and _, no digit first, at most 128."
        return [FieldError(field, words, "invalid")]
    if name.upper().startswith(RESERVED):
        return [FieldError(field, f"May not begin with {RESERVED}: those are the platform's own.", "reserved")]
    return []


def file_fault(file: str) -> str:
    """What is wrong with the name of the file in which a job finds a secret; empty: nothing."""
    if FILE.fullmatch(file) and file not in (".", ".."):
        return ""
    return "Must be the name of a file, without a folder: letters, digits, '.', '_' and '-', at most 100, no '-' first."


def variable_of(name: str, file: str | None) -> str:
    """What a job finds in its environment: the value by the secret's name, or by NAME_FILE where the file is."""
    return f"{name}_FILE" if file else name


def value_faults(value: str) -> list[FieldError]:
    """What is wrong with the value; never with a word of it."""
    if not value:
        return [FieldError("value", "May not be empty: to take a secret back, delete it.", "required")]
    if "\0" in value:
        return [FieldError("value", "May hold no NUL: no environment can carry it.", "invalid")]
    if len(value.encode(errors="surrogatepass")) > MOST_BYTES:
        return [FieldError("value", f"May be at most {MOST_BYTES // 1024} kB.", "too_long")]
    if value.count("\n") >= MOST_LINES:
        return [FieldError("value", f"May have at most {MOST_LINES} lines.", "too_long")]
    return []
