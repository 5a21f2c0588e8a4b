"""How long the control plane is away beyond an outage itself: exits, back-offs and old leases, as arithmetic."""

from gxsim.model.control_plane import ControlPlane


def exited_s(control_plane: ControlPlane, lost_s: float) -> float:
    """When a leader that cannot renew since *lost_s* has exited; its last tries take up to a retry period more."""
    return lost_s + control_plane.renew_deadline_s + control_plane.retry_period_s


def leads_s(control_plane: ControlPlane, through_s: float) -> float:
    """When a restarted process leads that got through at *through_s*: it waits out the old lease by its own clock."""
    return through_s + control_plane.lease_duration_s + control_plane.retry_period_s


def through_s(control_plane: ControlPlane, lost_s: float, back_s: float) -> float:
    """When a process that lost its leadership with etcd gets through to it again.

    Its first request after a restart hangs in the API server for the whole time-out, whether etcd comes back meanwhile
    or not; after that it exits and is restarted again.
    """
    tries_s = exited_s(control_plane, lost_s) + control_plane.supervisor_restart_s
    while tries_s < back_s:
        answered_s = tries_s + control_plane.request_timeout_s
        if answered_s >= back_s:
            return answered_s
        tries_s = answered_s + control_plane.supervisor_restart_s
    return tries_s


def reconnected_s(control_plane: ControlPlane, lost_s: float, back_s: float, jitter: float) -> float:
    """When a watch lost at *lost_s* is open again: the first try from *back_s* on; pauses double up to their cap.

    Each pause is longer by the share *jitter*.
    """
    pause_s, tries_s = control_plane.watch_backoff_s, lost_s
    while tries_s < back_s:
        tries_s += pause_s * (1 + jitter)
        pause_s = min(2 * pause_s, control_plane.watch_backoff_cap_s)
    return tries_s
