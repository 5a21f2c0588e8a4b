"""What voters send each other; terms and indices as in the Raft paper and etcd-io/raft."""

from dataclasses import dataclass

from gxsim.consensus.log import Run


@dataclass(frozen=True, slots=True)
class Message:
    """Every message carries the term it speaks for."""

    sender: int
    to: int
    term: int


@dataclass(frozen=True, slots=True)
class PreVote(Message):
    """Would you vote for me in *term*, which I have not entered yet?"""

    last_term: int
    last_index: int


@dataclass(frozen=True, slots=True)
class Vote(Message):
    """Vote for me in *term*."""

    last_term: int
    last_index: int


@dataclass(frozen=True, slots=True)
class PreVoteResponse(Message):
    """A grant carries the term asked for, a refusal the term of the one who refuses."""

    granted: bool


@dataclass(frozen=True, slots=True)
class VoteResponse(Message):
    """As PreVoteResponse, for a real vote."""

    granted: bool


@dataclass(frozen=True, slots=True)
class Append(Message):
    """Entries after (*previous_index*, *previous_term*); *runs* may be empty."""

    previous_index: int
    previous_term: int
    runs: tuple[Run, ...]
    commit: int


@dataclass(frozen=True, slots=True)
class AppendResponse(Message):
    """Accepted up to *index*; or refused, with the last place where the logs may agree."""

    index: int
    accepted: bool
    hint_term: int = 0


@dataclass(frozen=True, slots=True)
class Heartbeat(Message):
    """I lead; *commit* is never beyond what the receiver has acknowledged."""

    commit: int


@dataclass(frozen=True, slots=True)
class HeartbeatResponse(Message):
    """I follow."""
