"""KubeSchedulerConfiguration files: what they change in a profile, and what they are refused for."""

from pathlib import Path

import pytest

from gxsim.errors import ScenarioError
from gxsim.load.scheduler_configuration import SchedulerConfiguration, read_scheduler_configuration
from gxsim.model.cluster import Cluster
from gxsim.model.node import Node
from gxsim.model.pod import PodTemplate
from gxsim.model.scheduler_profile import DEFAULT_PROFILE, FILTERS, SCORE_WEIGHTS, SYSTEM_SPREAD
from gxsim.scheduler import place
from gxsim.state import ClusterState

HEAD = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"


def read(tmp_path: Path, text: str) -> SchedulerConfiguration:
    (tmp_path / "config.yaml").write_text(HEAD + text)
    return read_scheduler_configuration(tmp_path / "config.yaml")


def refused(tmp_path: Path, text: str) -> str:
    with pytest.raises(ScenarioError) as caught:
        read(tmp_path, text)
    return str(caught.value).removeprefix(f"{tmp_path}/")


def test_an_empty_configuration_is_the_default_profile(tmp_path: Path) -> None:
    configuration = read(tmp_path, "percentageOfNodesToScore: 100\nleaderElection: {leaderElect: true}\n")
    assert configuration == SchedulerConfiguration(profiles=(DEFAULT_PROFILE,))


def test_scores_are_weighted_and_dropped_by_name(tmp_path: Path) -> None:
    text = """profiles:
- plugins:
    score:
      disabled: [{name: ImageLocality}, {name: NodeResourcesFit}]
      enabled: [{name: NodeResourcesFit, weight: 5}]
"""
    profile = read(tmp_path, text).profile()
    assert profile.scores == {**{n: w for n, w in SCORE_WEIGHTS.items() if n != "ImageLocality"}, "NodeResourcesFit": 5}
    assert profile.filters == FILTERS


def test_a_star_drops_every_default_and_what_is_named_stays(tmp_path: Path) -> None:
    text = """profiles:
- plugins:
    multiPoint:
      disabled: [{name: "*"}]
      enabled: [{name: PrioritySort}, {name: DefaultBinder}, {name: NodeResourcesFit, weight: 3}, {name: NodePorts}]
"""
    profile = read(tmp_path, text).profile()
    assert (set(profile.filters), profile.scores) == ({"NodeResourcesFit", "NodePorts"}, {"NodeResourcesFit": 3})
    assert (profile.preemption, profile.scheduling_gates) == (False, False)


def test_a_plugin_may_filter_without_scoring(tmp_path: Path) -> None:
    profile = read(tmp_path, "profiles: [{plugins: {score: {disabled: [{name: '*'}]}}}]").profile()
    assert (profile.scores, profile.filters) == ({}, FILTERS)


def test_pods_choose_their_profile_by_scheduler_name(tmp_path: Path) -> None:
    text = "profiles: [{schedulerName: default-scheduler}, {schedulerName: packer}]\n"
    configuration = read(tmp_path, text)
    assert configuration.profile("packer").scheduler_name == "packer"
    with pytest.raises(ScenarioError, match="no profile is called 'pakcer'; did you mean 'packer'"):
        configuration.profile("pakcer")


def test_plugin_arguments_reach_the_profile(tmp_path: Path) -> None:
    text = """profiles:
- pluginConfig:
  - name: NodeResourcesFit
    args:
      scoringStrategy:
        type: RequestedToCapacityRatio
        resources: [{name: cpu, weight: 2}, {name: example.com/gpu}]
        requestedToCapacityRatio: {shape: [{utilization: 0, score: 0}, {utilization: 100, score: 10}]}
      ignoredResourceGroups: [example.org]
  - name: NodeAffinity
    args:
      addedAffinity:
        requiredDuringSchedulingIgnoredDuringExecution:
          nodeSelectorTerms: [{matchExpressions: [{key: pool, operator: In, values: [a]}]}]
  - name: PodTopologySpread
    args:
      defaultingType: List
      defaultConstraints: [{topologyKey: zone, maxSkew: 1, whenUnsatisfiable: DoNotSchedule}]
  - {name: InterPodAffinity, args: {hardPodAffinityWeight: 7, ignorePreferredTermsOfExistingPods: true}}
"""
    profile = read(tmp_path, text).profile()
    strategy = profile.scoring_strategy
    assert (strategy.type, dict(strategy.resources)) == ("RequestedToCapacityRatio", {"cpu": 2, "example.com/gpu": 1})
    assert strategy.shape == ((0, 0), (100, 10))
    assert profile.ignored_resource_groups == {"example.org"}
    assert profile.added_affinity is not None
    assert profile.added_affinity.terms[0].expressions[0].key == "pool"
    assert (profile.system_spread, [c.topology_key for c in profile.default_spread]) == (False, ["zone"])
    assert (profile.hard_pod_affinity_weight, profile.ignore_preferred_terms_of_existing_pods) == (7, True)


def test_system_spreading_is_the_default(tmp_path: Path) -> None:
    text = "profiles: [{pluginConfig: [{name: PodTopologySpread, args: {defaultingType: System}}]}]"
    assert read(tmp_path, text).profile().default_spread == SYSTEM_SPREAD


def test_most_allocated_packs_where_the_default_spreads(tmp_path: Path) -> None:
    text = "profiles: [{pluginConfig: [{name: NodeResourcesFit, args: {scoringStrategy: {type: MostAllocated}}}]}]"
    nodes = tuple(Node(name=n, allocatable={"cpu": 4000, "memory": 2**33, "pods": 9}) for n in "abc")
    template = PodTemplate(namespace="d", requests={"cpu": 1000, "memory": 2**31}, scored_requests=(1000, 2**31))
    used = {}
    for profile in (DEFAULT_PROFILE, read(tmp_path, text).profile()):
        state = ClusterState(Cluster(nodes=nodes))
        place(state, [state.create(f"web-{i}", template) for i in range(3)], profile=profile)
        used[profile.scoring_strategy.type] = set(state.pod_node.tolist())
    assert used == {"LeastAllocated": {0, 1, 2}, "MostAllocated": {0}}


def test_added_affinity_refuses_in_the_schedulers_name(tmp_path: Path) -> None:
    text = """profiles:
- pluginConfig:
  - name: NodeAffinity
    args:
      addedAffinity:
        requiredDuringSchedulingIgnoredDuringExecution:
          nodeSelectorTerms: [{matchExpressions: [{key: pool, operator: Exists}]}]
"""
    state = ClusterState(Cluster(nodes=(Node(name="a", allocatable={"pods": 9}),)))
    waiting = [state.create("web", PodTemplate(namespace="d"))]
    (decision,) = place(state, waiting, profile=read(tmp_path, text).profile())
    assert "1 node(s) didn't match scheduler-enforced node affinity." in decision.message()


def test_what_changes_nothing_is_listed_with_its_line(tmp_path: Path) -> None:
    configuration = read(tmp_path, "percentageOfNodesToScore: 30\nextenders: [{urlPrefix: http://x}]\n")
    assert [(u.name, u.reason) for u in configuration.unmodelled] == [
        ("percentageOfNodesToScore", "every node is scored"),
        ("extenders", "extenders are not asked"),
    ]
    assert configuration.unmodelled[0].source.endswith("config.yaml:3")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("profile: []", "config.yaml:3: profile: unknown field; did you mean 'profiles'?"),
        (
            "profiles: [{plugins: {score: {enabled: [{name: ImageLocalty}]}}}]",
            "config.yaml:3: profiles[0].plugins.score.enabled[0].name: unknown plugin 'ImageLocalty'; "
            "did you mean 'ImageLocality'?",
        ),
        (
            "profiles: [{plugins: {scores: {}}}]",
            "config.yaml:3: profiles[0].plugins.scores: unknown field; did you mean 'score'?",
        ),
        (
            "profiles: [{}, {}]",
            "config.yaml:3: profiles[1].schedulerName: the scheduler name 'default-scheduler' is given twice; "
            "use each once",
        ),
        (
            "percentageOfNodesToScore: 101",
            "config.yaml:3: percentageOfNodesToScore: expected a percentage from 0 to 100, got 101",
        ),
        (
            "profiles: [{pluginConfig: [{name: InterPodAffinity, args: {hardPodAffinityWeight: 101}}]}]",
            "config.yaml:3: profiles[0].pluginConfig[0].args.hardPodAffinityWeight: expected 0 to 100, got 101",
        ),
        (
            "profiles: [{pluginConfig: [{name: NodeResourcesFit, args: {scoringStrategy: {type: LeastAlocated}}}]}]",
            "config.yaml:3: profiles[0].pluginConfig[0].args.scoringStrategy.type: unknown strategy 'LeastAlocated'; "
            "did you mean 'LeastAllocated'?",
        ),
    ],
)
def test_bad_configurations_are_refused_with_place_and_remedy(tmp_path: Path, text: str, message: str) -> None:
    assert refused(tmp_path, text) == message


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("apiVersion: v1\nkind: ConfigMap\n")
    with pytest.raises(ScenarioError, match="expected a KubeSchedulerConfiguration of kubescheduler"):
        read_scheduler_configuration(tmp_path / "config.yaml")
