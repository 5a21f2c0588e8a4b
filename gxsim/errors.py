"""The two kinds of error, told apart by whose fault it is."""


class GxsimError(Exception):
    """Anything gxsim raises on purpose."""


class ScenarioError(GxsimError):
    """The input is wrong; *path* says where, *problem* says what and what to write instead.

    ``path`` reads ``file:line: field.path`` as far as each part is known.
    """

    def __init__(self, path: str, problem: str):
        super().__init__(path, problem)
        self.path = path
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}" if self.path else self.problem


class InvariantError(GxsimError):
    """gxsim itself is wrong: something that must hold does not."""
