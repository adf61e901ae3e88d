"""The one exception for input that a user can mend. Knows no file format and no command line."""


class InputError(Exception):
    """Input that cannot be used, said in one line: which file, which place in it, what to do.

    The command line prints ``radiff: <message>`` on stderr and exits with code 2; no traceback.

    Parameters
    ----------
    message : str
        What is wrong and the remedy, e.g. ``"value 7 at (12, 40) is no class; classes are 0 background, ..."``.
    path : path-like, optional
        The file or folder at fault; put before the message as ``"path: message"``.
    """

    def __init__(self, message: str, path: object = None) -> None:
        self.message = message
        self.path = None if path is None else str(path)
        super().__init__(message, path)

    def __str__(self) -> str:
        text = self.message if self.path is None else f"{self.path}: {self.message}"
        return " ".join(text.split())
