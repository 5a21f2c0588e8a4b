"""What a disk-fill fault writes: an amount or up to a share of the disk, at once or at a rate; or it takes inodes."""

import math
from dataclasses import dataclass
from typing import Any

from gxsim.engine.targets import nearest
from gxsim.errors import ScenarioError
from gxsim.model.fault import Fault
from gxsim.units import whole

ACTIONS = ("disk-fill", "pod-disk-fill")
OF_PODS = ("size", "percent", "rate")
PARAMETERS = (*OF_PODS, "inodes")  # of nodes


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """``size_bytes`` are written, or as much as lets ``used_share`` of the disk be used; both None: inodes alone."""

    size_bytes: float | None = None
    used_share: float | None = None
    rate_bytes: float = math.inf  # per second; inf: at once
    inodes_share: float = 0.0

    def amount_bytes(self, disk_bytes: float, used_bytes: float) -> float:
        """What it writes to a disk of which so much is used."""
        if self.used_share is not None:
            return max(0.0, self.used_share * disk_bytes - used_bytes)
        return self.size_bytes or 0.0


def filling_of(fault: Fault) -> Filling:
    """What *fault* writes; its parameters have been checked."""
    given = fault.parameters
    return Filling(
        size_bytes=float(whole(given["size"])) if "size" in given else None,
        used_share=_share(given["percent"]) if "percent" in given else None,
        rate_bytes=float(whole(given["rate"])) if "rate" in given else math.inf,
        inodes_share=_share(given["inodes"]) if "inodes" in given else 0.0,
    )


def check_filling(fault: Fault, path: str) -> None:
    """Refuse parameters that do not say what is written."""
    here = f"{path}.parameters"
    for name, value in fault.parameters.items():
        known = OF_PODS if fault.action == "pod-disk-fill" else PARAMETERS
        if name not in known:
            raise ScenarioError(f"{here}.{name}", f"unknown parameter; {nearest(name, known)}")
        try:
            read = whole(value) if name in ("size", "rate") else _share(value)
        except ValueError as error:
            raise ScenarioError(f"{here}.{name}", str(error)) from None
        if read <= 0:
            raise ScenarioError(f"{here}.{name}", f"expected more than 0, got {value!r}")
    if ("size" in fault.parameters) == ("percent" in fault.parameters) and "inodes" not in fault.parameters:
        raise ScenarioError(here, f"{fault.action} needs one of size (such as 900G) and percent (such as 97%)")


def _share(written: Any) -> float:
    """``97`` and ``97%`` are 0.97."""
    text = str(written).removesuffix("%")
    try:
        share = float(text) / 100
    except ValueError:
        raise ValueError(f"expected a percentage such as 97%, got {written!r}") from None
    if share > 1:
        raise ValueError(f"expected at most 100%, got {written!r}")
    return share
