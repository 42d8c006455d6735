"""What a Slurm can answer beside what was asked for."""


class SlurmError(Exception):
    """Says in words what is wrong, with Slurm's own where it gave any."""


class UnreachableError(SlurmError):
    """No answer, or none with sense: what was asked for may have happened or not."""


class DeniedError(UnreachableError):
    """It does not know who asks: the token is wrong, is for somebody else, or has expired."""


class SlurmRefusedError(SlurmError):
    """The controller answered that it will not do it. `code` is Slurm's number of the error, 0 if it gave none."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class NoSuchJobError(SlurmRefusedError):
    """The controller does not know the job, or not any more."""
