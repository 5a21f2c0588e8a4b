"""A Raft log without its payloads: runs of entries of one term."""

from dataclasses import dataclass

Run = tuple[int, int]  # term, index of its last entry


@dataclass(frozen=True, slots=True)
class Log:
    """Entries 1 to ``last_index``; terms never fall, so ``runs`` says the term of each."""

    runs: tuple[Run, ...] = ()

    @property
    def last_index(self) -> int:
        return self.runs[-1][1] if self.runs else 0

    @property
    def last_term(self) -> int:
        return self.runs[-1][0] if self.runs else 0

    def term_at(self, index: int) -> int:
        """The term of an entry; 0 for index 0, -1 for one that is not there."""
        if index == 0:
            return 0
        if index > self.last_index:
            return -1
        first = len(self.runs) - 1
        while first > 0 and self.runs[first - 1][1] >= index:
            first -= 1
        return self.runs[first][0]

    def append(self, term: int, count: int) -> "Log":
        """The log with *count* more entries of *term*."""
        runs = self.runs[:-1] if self.last_term == term and self.runs else self.runs
        return Log((*runs, (term, self.last_index + count)))

    def after(self, index: int) -> tuple[Run, ...]:
        """What follows *index*, for a message."""
        return tuple(run for run in self.runs if run[1] > index)

    def spliced(self, index: int, runs: tuple[Run, ...]) -> "Log":
        """The log with *runs* after *index*, which must be there; entries that differ from them are dropped."""
        if not runs or self.term_at(runs[-1][1]) == runs[-1][0]:
            return self  # equal term and index: the logs are equal up to there
        kept = [(term, min(end, index)) for term, end in self.runs]
        ends = {term: end for term, end in kept if end > 0 and self.term_at(end) == term}
        ends.update(runs)
        return Log(tuple(sorted(ends.items())))

    def last_before(self, index: int, term: int) -> int:
        """The greatest index up to *index* whose entry has at most *term*; where two logs may still agree."""
        for position in range(len(self.runs) - 1, -1, -1):
            run_term, end = self.runs[position]
            start = self.runs[position - 1][1] + 1 if position else 1
            if run_term <= term and start <= index:
                return min(end, index)
        return 0

    def at_least(self, term: int, index: int) -> bool:
        """Whether a log that ends in (*term*, *index*) is as up to date as this one."""
        return (term, index) >= (self.last_term, self.last_index)
