"""The report: words, tables for people, pictures, files."""

import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from gxsim.errors import ScenarioError
from gxsim.load.scenario import Case
from gxsim.model.cluster import Claim, Cluster, Service, Unmodelled, Volume, Workload
from gxsim.model.expectation import Expectation
from gxsim.model.fault import Fault, FaultSelector
from gxsim.model.model import Backup, ConsensusGroup, Model, Usage
from gxsim.model.node import Node
from gxsim.model.pod import PodTemplate
from gxsim.model.scenario import Scenario
from gxsim.model.selectors import LabelSelector, NodeSelector, NodeSelectorTerm, Requirement
from gxsim.observe.causes import Causes
from gxsim.observe.disks import disk_table
from gxsim.observe.events import event_table
from gxsim.observe.expectations import judge
from gxsim.observe.full_disks import full_disks
from gxsim.observe.incident import incident
from gxsim.observe.nodes import node_load, node_table
from gxsim.observe.pods import pod_counts, pod_fates
from gxsim.observe.quorum import quorum_intervals, quorum_series
from gxsim.observe.services import service_intervals, service_series, service_table
from gxsim.observe.table import Table
from gxsim.observe.unrecovered import unrecovered
from gxsim.observe.volumes import volume_table
from gxsim.observe.workloads import node_losses, workload_table
from gxsim.report import document, files
from gxsim.report.details import details
from gxsim.report.html import render
from gxsim.report.incident import chronicle
from gxsim.report.incident import incident as told_incident
from gxsim.report.lanes import ANSWERING, ARRIVED, DEAD, DOWN, STARTING, WAITING, lanes
from gxsim.report.palette import LIGHT
from gxsim.report.plots import charts, figure, svg
from gxsim.report.sections import sections
from gxsim.report.story import headline, verdict, what_goes_wrong
from gxsim.report.terminal import story
from gxsim.report.time_axis import Span, marks, spans, ticks
from gxsim.report.words import counted, listed, percent, time_of_day
from gxsim.state import (
    ENDPOINT_NOT_READY,
    ENDPOINT_READY,
    NO_ENDPOINT,
    PENDING,
    PHASE_RUNNING,
    READY,
    UNKNOWN,
    ClusterState,
    Owner,
)
from gxsim.study.result import Result
from gxsim.timeline import Timeline

GIB = 2**30
HORIZON_S = 7200.0
LOST_S, NOTICED_S, EVICTED_S, MOVED_S, BACK_S = 60.0, 110.0, 410.0, 415.0, 2400.0


def shop() -> Cluster:
    """Three nodes; a web Deployment of 3, a voting StatefulSet of 3 on node-local volumes, a bare pod's place."""
    amounts = {"cpu": 4000, "memory": 16 * GIB, "ephemeral-storage": 100 * GIB, "pods": 110}
    nodes = tuple(
        Node(name=f"node-{i}", labels={"kubernetes.io/hostname": f"node-{i}"}, allocatable=amounts, capacity=amounts)
        for i in range(3)
    )
    templates = {
        app: PodTemplate(
            namespace="shop",
            labels={"app": app.rstrip("012")},
            requests={"cpu": cpu, "memory": GIB},
            limits={"cpu": 2 * cpu, "memory": 2 * GIB},
            claims=claims,
        )
        for app, cpu, claims in (("web", 500, ()), *((f"db{i}", 1000, (f"data-db{i}-0",)) for i in range(3)))
    }
    workloads = [Workload(kind="Deployment", namespace="shop", name="web", template=templates["web"], replicas=3)]
    workloads += [
        Workload(kind="StatefulSet", namespace="shop", name=app, template=template)
        for app, template in templates.items()
        if app != "web"
    ]
    return Cluster(
        nodes=nodes,
        namespaces={"shop": {}},
        workloads=tuple(workloads),
        services=tuple(
            Service(namespace="shop", name=name, selector=_labels(**labels))
            for name, labels in (("web", {"app": "web"}), ("db", {"app": "db"}), ("one", {"app": "db", "x": "y"}))
        ),
        claims=tuple(
            Claim(
                namespace="shop",
                name=f"data-db{i}-0",
                storage_class="local",
                size_bytes=GIB,
                volume=f"pv-{i}",
                bound=True,
            )
            for i in range(3)
        ),
        volumes=tuple(
            Volume(name=f"pv-{i}", storage_class="local", size_bytes=20 * GIB, node_affinity=_only(f"node-{i}"))
            for i in range(3)
        ),
        unmodelled=(Unmodelled(kind="Certificate", name="shop/tls<b>", source="shop.yaml:9"),),
    )


def _labels(**labels: str) -> LabelSelector:
    return LabelSelector(tuple(Requirement(key, "In", (value,)) for key, value in labels.items()))


def _only(node: str) -> NodeSelector:
    at = Requirement("kubernetes.io/hostname", "In", (node,))
    return NodeSelector(terms=(NodeSelectorTerm(expressions=(at,)),))


def lost_node() -> tuple[ClusterState, Timeline]:
    """node-0 stops at 60 s, is noticed at 110 s and back at 2400 s; its web pod moves at 410 s, its database waits."""
    state = ClusterState(shop())
    timeline = Timeline([node.name for node in state.nodes])
    pods = {}
    for workload in state.cluster.workloads:
        owner = state.own(
            Owner(
                kind=workload.kind,
                namespace="shop",
                name=workload.name,
                workload=workload,
                template=workload.template,
                replicas=workload.replicas,
            )
        )
        for i in range(workload.replicas):
            node = i if workload.kind == "Deployment" else int(workload.name[-1])
            name = f"{workload.name}-{i}"
            pods[name] = pod = state.create(name, workload.template, owner=owner, ordinal=i)
            state.bind(pod, node)
            state.start(pod, 0.0)
            state.mark_pod_ready(pod, 0.0)
            state.publish(pod, ENDPOINT_READY)
    timeline.record(0.0, state)
    lose(state, timeline, pods)
    timeline.close(HORIZON_S, state)
    return state, timeline


def lose(state: ClusterState, timeline: Timeline, pods: dict[str, int]) -> None:
    state.fail(0)
    timeline.record(LOST_S, state)
    state.mark_ready(0, UNKNOWN)
    for name in ("web-0", "db0-0"):
        state.mark_pod_not_ready(pods[name])
        state.publish(pods[name], ENDPOINT_NOT_READY)
    timeline.record(NOTICED_S, state)
    state.terminate(pods["web-0"], EVICTED_S)
    new = state.create("web-3", state.templates[state.pod_template[pods["web-0"]]], now=EVICTED_S, owner=0, ordinal=0)
    timeline.record(EVICTED_S, state)
    state.bind(new, 1)
    state.start(new, MOVED_S)
    state.mark_pod_ready(new, MOVED_S)
    state.publish(new, ENDPOINT_READY)
    timeline.record(MOVED_S, state)
    state.repair(0)
    state.mark_ready(0, READY)
    state.delete(pods["web-0"])
    state.publish(pods["web-0"], NO_ENDPOINT)
    state.publish(pods["db0-0"], ENDPOINT_READY)
    state.mark_pod_ready(pods["db0-0"], BACK_S)
    timeline.record(BACK_S, state)


def result_of(*expected: str) -> Result:
    """The result of that run, with these expectations."""
    state, timeline = lost_node()
    model = Model(
        usage=(Usage(namespace="shop", workload="*", cpu_milli=400, memory_bytes=GIB // 2, source="measured"),),
        consensus_groups=(
            ConsensusGroup(name="db", protocol="etcd", namespace="shop", pod_selector={"app": "db"}, source="here"),
        ),
        backups=(
            Backup(
                name="dump",
                namespace="shop",
                workload="db*",
                every_s=86400,
                keep=3,
                restore_s=(600, 900),
                source="here",
            ),
        ),
    )
    fault = Fault(
        kind="NodeChaos", action="node-stop", at_s=LOST_S, duration_s=2340, selector=FaultSelector(nodes=("node-0",))
    )
    scenario = Scenario(
        name="shop-loss",
        question="What if <node-0> stops?",
        manifests=("shop",),
        horizon_s=HORIZON_S,
        clock="23:00",
        faults=(fault,),
        expect=tuple(Expectation.parse(text) for text in expected),
    )
    services, quorum = service_series(state, timeline), quorum_series(state, timeline, model.consensus_groups)
    load = node_load(state, timeline, model, np.array([0.0, 2000.0, HORIZON_S]))
    headroom = Table.of(
        "headroom",
        "headroom",
        (
            "node_lost",
            "pods",
            "stay_with_node",
            "to_move",
            "placed",
            "pending",
            "largest_cpu_percent",
            "largest_memory_percent",
            "first_refusal",
        ),
        [("node-0", 2, 1, 1, 1, 0, 62.5, 12.5, "")],
    )
    causes = Causes(state, timeline)
    fates = pod_fates(state, timeline, causes)
    missing = unrecovered(state, timeline, fates, causes)
    tables = (
        node_losses(state, timeline),
        *incident(state, timeline, services, quorum, causes, missing),
        fates,
        missing,
        event_table(timeline),
        service_table(services, HORIZON_S),
        service_intervals(services, HORIZON_S),
        quorum_intervals(quorum, HORIZON_S),
        workload_table(state, timeline, missing),
        volume_table(state, timeline, model),
        disk_table(state, timeline),
        full_disks(state, timeline),
        node_table(state, load, ("before", "during", "after")),
        pod_counts(timeline),
        headroom,
    )
    named = {table.name: table for table in tables}
    return Result(
        case=Case(scenario=scenario, cluster=state.cluster, model=model, digests={"shop/all.yaml": "ab" * 32}),
        seed=7,
        state=state,
        timeline=timeline,
        tables=named,
        services=tuple(services),
        quorum=tuple(quorum),
        verdicts=judge(scenario.expect, named),
        assumptions=("Nobody sleeps.",),
        provenance={"gxsim": "0.1.0", "seed": 7},
    )


@pytest.fixture(scope="module")
def result() -> Result:
    return result_of("quorum(db) == kept", "unavailable(shop/*) < 90s", "stuck == 0", "moved == 0")


def rows_of(result: Result, title: str) -> list[list[str]]:
    (grid,) = (grid for grid in sections(result) if grid.title == title)
    return [[cell.text for cell in cells] for cells in grid.rows]


def printed(result: Result, width: int) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(story(result))
    return console.file.getvalue()  # type: ignore[attr-defined]


# ---- words ----------------------------------------------------------------------------------------------------------


def test_the_headline_says_what_was_lost_and_what_that_meant(result: Result) -> None:
    assert headline(result) == (
        "node-0 is lost at 23:01:00, noticed after 50s, back after 39m. Quorum is kept by db (at worst 2 of 3 up); "
        "every Service keeps an endpoint, 2 of 2 fewer than before; for up to 50s traffic goes to dead endpoints; "
        "of 2 lost pods 1 moved and 1 came back in place."
    )


def test_the_verdict_names_what_failed(result: Result) -> None:
    assert verdict(result) == "1 of 4 expectations failed: moved == 0."
    assert verdict(result_of("moved == 1", "stuck == 0")) == "All 2 expectations hold."
    assert verdict(result_of()) == "The scenario expects nothing."


def test_a_fault_is_one_line(result: Result) -> None:
    (fault,) = result.case.scenario.faults
    assert what_goes_wrong(fault, 0.0) == "node-stop node-0 at 00:01:00 for 39m"
    pods = FaultSelector(namespaces=("shop",), label_selectors={"app": "web"})
    killed = replace(
        fault, action="pod-kill", mode="fixed", value="2", selector=pods, duration_s=None, schedule_s=600.0
    )
    assert what_goes_wrong(killed, 0.0) == "pod-kill fixed 2 of app=web, namespace shop at 00:01:00, every 10m"


def test_words_read_like_speech() -> None:
    assert [counted(n, "pod") for n in (0, 1, 2)] == ["no pod", "1 pod", "2 pods"]
    assert listed([]) == "none"
    assert listed(["a"]) == "a"
    assert listed(list("abcdef"), most=4) == "a, b, c and 3 more"
    assert [percent(share) for share in (0.0, 0.4, 45.4)] == ["0%", "0.4%", "45%"]
    assert time_of_day(2 * 3600.0, 23 * 3600) == "01:00:00 +1d"
    assert time_of_day(None, 0) == "–"


# ---- sections -------------------------------------------------------------------------------------------------------


def test_a_lost_node_says_when_it_was_noticed_and_back(result: Result) -> None:
    assert rows_of(result, "Nodes lost") == [["node-0", "23:01:00", "50s", "23:01:50", "23:40:00", "23:40:00"]]


def test_services_are_split_by_what_was_known(result: Result) -> None:
    assert rows_of(result, "Services") == [
        ["shop/db", "2 of 3", "–", "–", "50s", "38m10s", "33%"],
        ["shop/web", "2 of 3", "–", "–", "50s", "5m05s", "33%"],
    ]


def test_quorum_tells_how_many_more_may_go(result: Result) -> None:
    assert rows_of(result, "Quorum") == [
        ["db", "23:00:00", "23:01:00", "3 of 3", "2", "kept", "1", "1"],
        ["db", "23:01:00", "23:40:00", "2 of 3", "2", "kept", "0", "0"],
        ["db", "23:40:00", "01:00:00 +1d", "3 of 3", "2", "kept", "1", "1"],
    ]


def test_pods_that_wait_for_their_volume_say_so(result: Result) -> None:
    assert rows_of(result, "Pods") == [
        ["shop/web", "1", "5m55s", "moved to node-1", ""],
        ["shop/db0", "1", "39m", "back in place", "volume of claim data-db0-0 lies on this node"],
    ]


def test_volumes_say_what_else_holds_the_data(result: Result) -> None:
    expected = ["shop/data-db0-0", "node-0", "20Gi", "39m", "–", "–", "backup up to 1d old, restore 15m"]
    assert rows_of(result, "Volumes at risk") == [expected]


def test_the_load_is_given_before_during_and_after(result: Result) -> None:
    first = rows_of(result, "Load of the nodes")[:3]
    assert first[0] == ["node-0", "cpu", "4", "38→38→25%", "75→75→50%", "20→0→10%"]
    assert [line[:2] for line in first[1:]] == [["", "memory"], ["", "volumes"]]


def test_failed_expectations_stand_first(result: Result) -> None:
    assert rows_of(result, "Expectations")[0] == ["moved == 0", "1", "FAILS"]


def test_a_run_in_which_nothing_happens_has_no_empty_sections(result: Result) -> None:
    empty = {name: Table.of(name, "", tuple(table.columns), []) for name, table in result.tables.items()}
    quiet = replace(result, tables=empty, quorum=(), verdicts=())
    assert sections(quiet) == []
    assert headline(quiet) == "No node is lost and no pod stops answering."
    assert printed(quiet, 80).strip()
    assert render(quiet).endswith("</html>")


# ---- terminal -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [40, 64, 80, 132])
def test_the_story_fits_the_terminal(result: Result, width: int) -> None:
    text = printed(result, width)
    assert max(len(line) for line in text.splitlines()) <= width
    text = " ".join(text.split())
    assert "\x1b" not in text  # no colour unless it is a terminal
    for name in ("node-0", "shop/db", "moved == 0", "Nobody sleeps.", "1 object (1 Certificate)"):
        assert name in text


def test_names_are_whole_at_eighty_columns(result: Result) -> None:
    long = replace(result.services[0], name="backend-mainnet/postgres-primary")
    assert "shop/data-db0-0" in printed(replace(result, services=(long,)), 80)


def test_the_incident_of_a_terminal_is_short_and_keeps_what_matters_most(result: Result) -> None:
    whole, short = told_incident(result, most=100), told_incident(result, most=4)
    assert [[cell.text for cell in cells] for cells in whole.rows] == [
        ["23:01:00", "truth", "2 pods of shop/web and shop/db0 stop answering"],
        ["23:01:00", "truth", "the majority is kept by db (2 of 3 up)"],
        ["23:01:00", "service", "2 Services (shop/web and shop/db) have fewer endpoints answering"],
        [
            "23:01:00",
            "control plane",
            "nothing has noticed yet: node-0 counts as Ready, 2 dead endpoints of 2 Services get traffic",
        ],
        ["23:01:50", "control plane", "node-0 counts as NotReady, 50s after it was lost; 2 pods on it too"],
        ["23:01:50", "control plane", "2 endpoints of 2 Services are withdrawn, dead for 50s by then"],
        ["23:06:50", "control plane", "pod shop/web-0 is deleted by its controller"],
        ["23:06:50", "control plane", "pod shop/web-3 is created: bound nowhere yet"],
        ["23:06:55", "control plane", "pod shop/web-3 is bound: on node-1"],
        ["23:06:55", "control plane", "pod shop/web-3 is Ready"],
        ["23:06:55", "service", "shop/web is whole again, after 5m55s with fewer"],
        ["23:40:00", "truth", "every member is up again of db (3 of 3 up)"],
        ["23:40:00", "control plane", "pod shop/db0-0 is Ready again"],
        ["23:40:00", "control plane", "node-0 counts as Ready again"],
        ["23:40:00", "service", "shop/db is whole again, after 39m with fewer"],
    ]
    assert [cells[2].text.split()[0] for cells in short.rows] == ["2", "nothing", "node-0", "shop/web"]
    assert short.note.endswith("11 entries of less weight left out.")


def test_a_page_filters_the_incident_by_service_without_a_script(result: Result) -> None:
    told = chronicle(result)
    assert [name for _, name in told["services"]] == ["shop/db", "shop/web"]
    by_sentence = {one["sentence"]: one["classes"] for one in told["entries"]}
    assert by_sentence["the majority is kept by db (2 of 3 up)"] == "all"
    assert by_sentence["pod shop/web-3 is Ready"] == "s1"
    assert set(by_sentence["2 endpoints of 2 Services are withdrawn, dead for 50s by then"].split()) == {"s0", "s1"}
    page = render(result)
    assert '#incident-section:has(option[value="s1"]:checked) tbody tr:not(.s1, .all) { display: none; }' in page
    assert "<li>shop/<wbr>db0-0 on node-0</li>" in page


def test_everything_is_printed_only_when_asked(result: Result) -> None:
    short, full = printed(result, 100), io.StringIO()
    Console(file=full, width=100).print(story(result, full=True))
    assert "Load of the nodes" not in short
    assert "stuck == 0" not in short  # it holds, and the verdict counts it
    assert "Load of the nodes" in full.getvalue()
    assert "stuck == 0" in full.getvalue()


def test_what_does_not_recover_stands_with_its_cause_and_what_helps(result: Result) -> None:
    rows = [
        ("shop/db0", "StatefulSet", "db0-0", 1, "node-0", 60.0, "volume", "volume of claim x lies on node-0", "wait"),
        ("shop/web", "Deployment", "web-3", 1, "", 410.0, "nothing fits", "0/3 nodes", "add a node"),
        ("shop/web", "Deployment", "web-4", 1, "", 420.0, "nothing fits", "0/3 nodes", "add a node"),
    ]
    table = Table.of("unrecovered", "", tuple(result.tables["unrecovered"].columns), rows)
    stuck = replace(result, tables={**result.tables, "unrecovered": table})
    assert rows_of(stuck, "What does not recover") == [
        ["shop/db0", "1", "23:01:00", "volume", "volume of claim x lies on node-0", "wait"],
        ["shop/web", "2", "23:06:50", "nothing fits", "0/3 nodes", "add a node"],
    ]
    assert headline(stuck).endswith("3 pods do not recover (2 nothing fits, 1 volume).")


def test_details_give_each_service_its_true_and_its_believed_outage(result: Result) -> None:
    (grid,) = (grid for grid in details(result) if grid.name == "services-detail")
    assert [[cell.text for cell in cells] for cells in grid.rows] == [
        ["shop/web", "–", "–", "–", "–", "0s", "0s", "50s", "5m55s", "33%"],
        ["shop/db", "–", "–", "–", "–", "0s", "0s", "50s", "39m", "33%"],
    ]


# ---- pictures -------------------------------------------------------------------------------------------------------


def test_lanes_count_what_a_loop_counts() -> None:
    state, timeline = lost_node()
    shown = {lane.name: lane for lane in lanes(state, timeline, most=10)}
    served: set[int] = set()
    for time_s in timeline.times_s():
        columns = [timeline.at(f"pod_{name}", time_s) for name in ("exists", "node", "phase", "ready", "serving")]
        counts = {name: [0] * 6 for name in shown}
        for pod, (exists, node, phase, ready, serving) in enumerate(zip(*columns, strict=True)):
            served |= {pod} if serving else set()
            if not exists or phase > PHASE_RUNNING:
                continue
            late = state.pod_created_s[pod] > 0
            condition = (ARRIVED if late else ANSWERING) if ready and serving else DEAD if ready else None
            if condition is None:
                condition = STARTING if serving or pod not in served else DOWN
            name = "Pending" if node == PENDING else state.nodes[node].name
            counts[name][WAITING if node == PENDING else condition] += 1
        for name, lane in shown.items():
            row = np.searchsorted(lane.times_s, time_s, side="right") - 1
            assert lane.counts[row].tolist() == counts[name], (name, time_s)


def test_a_zoom_stands_beside_the_whole_run(result: Result) -> None:
    assert spans(result) == [Span("The first ten minutes", 30.0, 660.0), Span("The whole run", 0.0, HORIZON_S)]


def test_time_is_marked_at_round_times_of_day() -> None:
    positions, labels = ticks(Span("", 0.0, 7200.0), start_s=23 * 3600 + 300)
    assert labels == ["23:30", "00:00 +1d", "00:30", "01:00"]
    assert positions == [1500, 3300, 5100, 6900]
    assert ticks(Span("", 0.0, 20.0), start_s=0)[1] == ["00:00:00", "00:00:05", "00:00:10", "00:00:15", "00:00:20"]
    assert ticks(Span("", 0.0, 30 * 86400.0), start_s=0)[1][:2] == ["day 1", "day 6"]


def test_moments_that_cannot_be_labelled_are_left_out(result: Result) -> None:
    zoom, whole = spans(result)
    assert [name for _, name in marks(result, zoom)] == ["lost", "noticed", "evicted"]
    assert [name for _, name in marks(result, whole)] == ["lost", "back"]


def test_every_chart_is_in_the_figure(result: Result) -> None:
    drawn = figure(result)
    overview = [chart for chart in charts(result) if chart.overview]
    assert [chart.title for chart in overview] == [
        "Pods on each node",
        "Service availability",
        "Members of consensus groups",
        "Requests, limits and usage against what nodes offer",
    ]
    assert len(drawn.axes) == sum(len(chart.panels) for chart in overview) == 8


def test_a_picture_takes_its_colours_from_the_page_and_is_the_same_twice(result: Result) -> None:
    for chart in charts(result):
        for panel in chart.panels:
            element = svg(panel, "salt")
            assert element == svg(panel, "salt")
            assert element.startswith("<svg")
            assert not any(colour in element for colour in LIGHT.values())
            assert "<dc:date>" not in element
            assert "id=" not in re.sub(r"<(clipPath|pattern|path|symbol) [^>]*>", "", element)


# ---- page -----------------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """Collects what a test asks of a page."""

    def __init__(self, text: str):
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.depth: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids += [given["id"] or ""] if "id" in given else []
        self.links += [given[name] or "" for name in ("href", "src", "xlink:href") if name in given]
        if tag not in ("meta", "link", "br", "img", "wbr"):
            self.depth.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.depth.pop() == tag


def test_the_page_needs_no_network_and_its_links_lead_somewhere(result: Result) -> None:
    page = Page(render(result))
    assert page.depth == []
    assert all(link.startswith("#") and link[1:] in page.ids for link in page.links)
    anchors = [name for name in page.ids if not re.fullmatch(r"[a-z][0-9a-f]{10}", name)]  # clip paths share theirs
    assert len(anchors) == len(set(anchors))


def test_everything_on_the_page_is_escaped(result: Result) -> None:
    evil = "<script>alert(1)</script>&\"'"
    scenario = replace(result.case.scenario, question=evil, name=evil)
    cluster = replace(result.case.cluster, unmodelled=(Unmodelled(kind=evil, name=evil, source=evil),))
    case = replace(result.case, scenario=scenario, cluster=cluster, digests={evil: evil})
    text = render(replace(result, case=case, assumptions=(evil,)))
    assert "<script" not in text
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;&amp;&#34;&#39;") == 7


def test_the_page_is_the_same_twice_and_names_no_day(result: Result) -> None:
    assert render(result) == render(result)
    assert not re.search(r"20\d\d-\d\d-\d\d", render(result))


# ---- files ----------------------------------------------------------------------------------------------------------


def test_the_document_is_json_with_everything_to_run_it_again(result: Result) -> None:
    found = json.loads(document.text(result), parse_constant=pytest.fail)
    assert [found[key] for key in ("apiVersion", "kind", "schemaVersion")] == ["gxsim/v1alpha1", "Result", 1]
    assert found["provenance"] == {"gxsim": "0.1.0", "seed": 7, "digests": {"shop/all.yaml": "ab" * 32}}
    assert found["verdicts"][3] == {"expectation": "moved == 0", "observed": 1.0, "holds": False}
    assert found["scenario"]["horizon_s"] == HORIZON_S
    assert found["notModelled"][0]["kind"] == "Certificate"
    assert set(found["tables"]) == set(result.tables)
    assert found["tables"]["node_losses"]["columns"]["noticed_s"] == [NOTICED_S]
    assert all(len(column) == t["rows"] for t in found["tables"].values() for column in t["columns"].values())


def test_json_has_no_infinity_and_no_nan() -> None:
    odd = [np.float64("inf"), -float("inf"), float("nan"), np.int64(3), np.bool_(True), (1, None)]
    assert document.plain(odd) == ["inf", "-inf", None, 3, True, [1, None]]


def test_csv_files_read_back_as_the_tables(result: Result) -> None:
    for table in result.tables.values():
        back = pd.read_csv(io.StringIO(files.tidy(table)), keep_default_na=False, na_values=[""])
        assert list(back.columns) == list(table.columns)
        for name, values in table.columns.items():
            expected = pd.Series(values).astype(object).where(lambda s: s != "", None)
            read = back[name].astype(object).where(back[name].notna(), None)
            assert list(read) == [None if v is None or v != v else v for v in expected], (table.name, name)


def test_the_same_result_writes_the_same_bytes(result: Result, tmp_path: Path) -> None:
    first, second = (files.write(result, tmp_path / name) for name in ("a", "b"))
    assert [path.name for path in first] == [path.name for path in second]
    assert len(first) == 2 + len(result.tables)
    assert all(one.read_bytes() == other.read_bytes() for one, other in zip(first, second, strict=True))


def test_nothing_is_written_when_something_cannot_be(result: Result, tmp_path: Path) -> None:
    files.write(result, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    broken = replace(result, tables={**result.tables, "odd": Table("odd", "", {"x": [{"set"}]})})
    with pytest.raises(TypeError):
        files.write(broken, tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_the_page_of_an_earlier_run_does_not_stay(result: Result, tmp_path: Path) -> None:
    files.write(result, tmp_path)
    assert (tmp_path / files.PAGE).exists()
    files.write(result, tmp_path, page=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["result.json", "tables"]


def test_a_folder_that_cannot_be_written_is_the_users_error(result: Result, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ScenarioError, match=r"file: cannot be written: Not a directory$"):
        files.write(result, tmp_path / "file", page=False)
