"""Scenario, model and placement files: gxsim's own kinds, read strictly; and everything a scenario names."""

import dataclasses
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from gxsim.errors import ScenarioError
from gxsim.load.documents import STDIN, Document, read_one, steps
from gxsim.load.fields import read_fields, unknown_name
from gxsim.load.manifests import load_cluster
from gxsim.load.request_traces import with_request_traces
from gxsim.load.scheduler_configuration import read_scheduler_configuration
from gxsim.load.servers import with_servers
from gxsim.load.traces import with_traces
from gxsim.model.cluster import Cluster
from gxsim.model.model import Model
from gxsim.model.placement import Placement
from gxsim.model.scenario import Scenario
from gxsim.model.scheduler_profile import DEFAULT_PROFILE, Profile

API_VERSION = "gxsim/v1alpha1"
KINDS = {"Scenario": Scenario, "Model": Model, "Placement": Placement}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A scenario with everything it names, loaded. ``digests`` maps each file read to its SHA-256."""

    scenario: Scenario
    cluster: Cluster
    model: Model
    placement: Placement | None = None
    profile: Profile = DEFAULT_PROFILE
    digests: dict[str, str] = field(default_factory=dict)
    document: Document | None = field(default=None, repr=False)

    def located(self, error: ScenarioError) -> ScenarioError:
        """An error about a field of the scenario that turned up in the run, with the field's file and line."""
        path = steps(error.path)
        if self.document is None or path[0] not in {field.name for field in dataclasses.fields(Scenario)}:
            return error
        return self.document.error(("spec", *path), error.problem)

    def __repr__(self) -> str:
        start = f"placement {self.placement.name!r}" if self.placement else "placed from scratch"
        return f"<Case {self.scenario.name!r}: {len(self.scenario.faults)} faults, {start}, {self.cluster!r}>"


def load(path: str | Path) -> Case:
    """The scenario at *path*: a file, ``-`` for standard input, or the name of a bundled one such as ``gx/node-loss``.

    What a scenario names is relative to its file, from standard input to the working folder. Raises ScenarioError with
    file, line and path of what is wrong.
    """
    file = find_scenario(path)
    digests: dict[str, str] = {}
    document = read_one(file, digests)
    scenario = _noun(document, "Scenario")
    folder = file.parent
    scenario = dataclasses.replace(scenario, faults=with_traces(scenario.faults, folder, digests))
    named = (*scenario.manifests, *scenario.overlays)
    cluster = load_cluster([name if name == STDIN else folder / name for name in named], digests)
    model = Model()
    if scenario.model:
        model = _read(folder / scenario.model, "Model", digests)
        model = with_request_traces(model, (folder / scenario.model).parent, digests)
    placement = _read(folder / scenario.placement, "Placement", digests) if scenario.placement else None
    profile = DEFAULT_PROFILE
    if scenario.scheduler:
        profile, cluster = with_scheduler(folder / scenario.scheduler, cluster, digests)
    relative = {_relative(name, folder): digest for name, digest in sorted(digests.items())}
    return Case(
        scenario=scenario,
        cluster=cluster,
        model=with_servers(model, cluster.nodes),
        placement=placement,
        profile=profile,
        digests=relative,
        document=document,
    )


def with_scheduler(
    path: str | Path, cluster: Cluster, digests: dict[str, str] | None = None
) -> tuple[Profile, Cluster]:
    """The default scheduler's profile in a KubeSchedulerConfiguration file; what it cannot change is listed."""
    configuration = read_scheduler_configuration(path, digests)
    listed = (*cluster.unmodelled, *configuration.unmodelled)
    return configuration.profile(), dataclasses.replace(cluster, unmodelled=listed)


def bundled() -> Path:
    """The folder of the scenarios that come with gxsim: in the wheel, or in a checkout."""
    packaged = Path(str(resources.files("gxsim"))) / "scenarios"
    return packaged if packaged.is_dir() else packaged.parent.parent / "scenarios"


def find_scenario(path: str | Path) -> Path:
    """The file that *path* means; raises ScenarioError with the nearest bundled name."""
    given = Path(path)
    if given.is_file() or str(path) == STDIN:
        return given
    names = scenario_names()
    if str(path) in names:
        return bundled() / f"{given.name}.yaml"
    raise ScenarioError(str(path), f"no such scenario file or bundled scenario; {unknown_name(path, names)}")


def scenario_names() -> list[str]:
    """Names of the bundled scenarios, sorted: ``gx/NAME`` for the file NAME.yaml about the cluster in ``gx/``."""
    return sorted(f"gx/{file.stem}" for file in bundled().glob("*.yaml"))


def questions() -> dict[str, str]:
    """The question of each bundled scenario by its name; nothing that a scenario refers to is read."""
    return {name: _read(find_scenario(name), "Scenario", {}).question for name in scenario_names()}


def _read(path: Path, kind: str, digests: dict[str, str]) -> Any:
    return _noun(read_one(path, digests), kind)


def _noun(document: Document, kind: str) -> Any:
    check_header(document, kind)
    metadata = document.value.get("metadata") or {}
    if not isinstance(metadata, dict) or set(metadata) - {"name"}:
        raise document.error(("metadata",), "expected metadata with a name only")
    found = read_fields(KINDS[kind], document, ("spec",))
    return dataclasses.replace(found, name=str(metadata.get("name") or Path(document.file).stem))


def check_header(document: Document, kind: str) -> None:
    """Raise ScenarioError unless *document* is a gxsim file of this *kind* with a ``spec``."""
    value = document.value
    if not isinstance(value, dict):
        raise document.error((), f"expected a {kind} (apiVersion: {API_VERSION}), got {type(value).__name__}")
    for name, wanted in (("apiVersion", API_VERSION), ("kind", kind)):
        if value.get(name) != wanted:
            raise document.error((name,), f"expected {wanted!r}, got {value.get(name)!r}")
    known = ("apiVersion", "kind", "metadata", "spec")
    for name in value:
        if name not in known:
            raise document.error((name,), f"unknown field; {unknown_name(name, known)}")
    if "spec" not in value:
        raise document.error((), "the field 'spec' is missing")


def _relative(name: str, folder: Path) -> str:
    """A file's name as the scenario sees it, so that digests do not depend on where a checkout lies."""
    path = Path(name)
    try:
        return path.resolve().relative_to(folder.resolve()).as_posix()
    except ValueError:
        return path.name
