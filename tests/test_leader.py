"""Which server's controllers and scheduler lead when nothing else is said."""

import pytest

from gxsim.errors import ScenarioError
from gxsim.model.control_plane import ControlPlane
from gxsim.study.simulate import led

SERVERS = ("cp-1", "cp-2", "cp-3")


def test_the_first_server_leads() -> None:
    assert led(ControlPlane(), SERVERS).leader == "cp-1"


def test_the_model_may_name_another() -> None:
    assert led(ControlPlane(leader="cp-3"), SERVERS).leader == "cp-3"


def test_nobody_leads_who_holds_no_lease() -> None:
    assert led(ControlPlane(leader_election=False), SERVERS).leader == ""
    assert led(ControlPlane(), ()).leader == ""


def test_a_leader_that_is_no_server_is_refused() -> None:
    with pytest.raises(ScenarioError) as error:
        led(ControlPlane(leader="cp-9"), SERVERS)
    assert str(error.value) == "model: controlPlane.leader: there is no server 'cp-9'; did you mean 'cp-3'?"
