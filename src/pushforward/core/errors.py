"""Errors that say what was given, what was expected and what to do; each has a stable code."""


class PushforwardError(Exception):
    """Say what went wrong, with a code, the given, the expected and the likely fix.

    Parameters
    ----------
    given : what was found, with its place (column, row, file).
    expected : what would have been accepted.
    fix : the likely remedy, in the imperative.
    """

    code = "PF000"

    def __init__(self, given: str, expected: str = "", fix: str = ""):
        self.given, self.expected, self.fix = given, expected, fix
        Exception.__init__(self, given, expected, fix)

    def __str__(self) -> str:
        text = f"[{self.code}] {self.given}"
        if self.expected:
            text += f"\n  expected: {self.expected}"
        if self.fix:
            text += f"\n  try: {self.fix}"
        return text


class ShapeError(PushforwardError, ValueError):
    """An array or a size does not fit the model."""

    code = "PF001"


class KeyRequiredError(PushforwardError, ValueError):
    """A layer that draws random numbers was called without a key."""

    code = "PF002"


class EvidenceError(PushforwardError, TypeError):
    """A likelihood was asked of something that has only a bound, an estimate or none."""

    code = "PF003"


class OptionError(PushforwardError, ValueError):
    """A name or an option is not one of those that exist."""

    code = "PF004"


class DataError(PushforwardError, ValueError):
    """A table, a column or a cell cannot be used as it is."""

    code = "PF010"


class CellTypeError(DataError, TypeError):
    """A cell is of a type that no number or text can be read from."""

    code = "PF012"


class SchemaMismatchError(DataError):
    """A table's columns are not those the model was fitted on."""

    code = "PF011"


class FitError(PushforwardError, RuntimeError):
    """Learning could not give a usable model."""

    code = "PF020"


class OutputError(PushforwardError, OSError):
    """A file cannot be written, or would be overwritten."""

    code = "PF030"


class ModelFileError(PushforwardError, ValueError):
    """A model directory is damaged, incomplete or from another schema version."""

    code = "PF040"
