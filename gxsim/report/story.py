"""What happened, in the sentences an operator would say; every figure comes from the tables."""

from collections import Counter
from collections.abc import Mapping

from gxsim.model.fault import Fault, FaultSelector
from gxsim.observe.table import Table
from gxsim.report.words import counted, duration, listed, time_of_day
from gxsim.study.result import Result

Tables = Mapping[str, Table]
PAST = {
    "moved": "moved",
    "back in place": "came back in place",
    "recreated in place": "had to be recreated in place",
    "stuck": "stayed away",
    "no longer wanted": "got no successor, as none is wanted",
    "Pending": "stayed Pending",
    "not ready yet": "got not ready by the end",
}


def headline(result: Result) -> str:
    """Two sentences: what was lost, and what that meant."""
    tables, start_s = result.tables, result.case.scenario.clock_s
    if not len(tables["node_losses"]) and not len(tables["pods"]):
        meant = [_short(tables)]
        lost = "No node is lost and no pod stops answering."
    else:
        meant = [_quorum(tables), _services(tables), _pods(tables), _short(tables)]
        lost = _lost(tables, start_s)
    return " ".join([lost, *_sentence([part for part in meant if part])])


def verdict(result: Result) -> str:
    """How many expectations hold, and which do not."""
    failed = [one.expectation.text for one in result.verdicts if not one.holds]
    if not result.verdicts:
        return "The scenario expects nothing."
    if failed:
        return f"{len(failed)} of {counted(len(result.verdicts), 'expectation')} failed: {listed(failed)}."
    return f"All {len(result.verdicts)} expectations hold." if len(result.verdicts) > 1 else "The expectation holds."


def what_goes_wrong(fault: Fault, start_s: float) -> str:
    """One fault in one line: what, at whom, when."""
    if fault.steps:
        return f"{_steps(fault)} {_when(fault, start_s)}"
    return f"{fault.action} {_targets(fault)} {_when(fault, start_s)}".replace("  ", " ")


def _steps(fault: Fault) -> str:
    """A workflow as its steps, one after another or at once."""
    told = [_steps(step) if step.steps else f"{step.action} {_targets(step)}".rstrip() for step in fault.steps]
    return f"({(' then ' if fault.action == 'serial' else ' with ').join(told)})"


def _targets(fault: Fault) -> str:
    """Whom a fault means, in short; nothing where its action says so itself."""
    if fault.action == "quota":
        return "/".join(str(fault.parameters[key]) for key in ("namespace", "name") if key in fault.parameters)
    if fault.action in ("quorum-loss", "etcd-nospace", "suspend"):
        return ""
    targets = str(fault.parameters.get("component") or selected(fault.selector))
    if fault.mode != "all":
        targets = f"{fault.mode}{f' {fault.value}' if fault.value else ''} of {targets}"
    return targets


def selected(selector: FaultSelector) -> str:
    """The targets of a fault, as its selector names them."""
    parts = [
        *selector.nodes,
        *(f"{key}={value}" for key, value in selector.node_selectors.items()),
        *(f"{namespace}/{pod}" for namespace, pods in selector.pods.items() for pod in pods),
        *selector.workloads,
        *(f"{key}={value}" for key, value in selector.label_selectors.items()),
        *(f"{e.key} {e.operator} {','.join(e.values)}".rstrip() for e in selector.expression_selectors),
        *(f"{key}={value}" for key, value in selector.field_selectors.items()),
        *(f"namespace {namespace}" for namespace in selector.namespaces),
    ]
    return ", ".join(parts) or "everything"


def _when(fault: Fault, start_s: float) -> str:
    if fault.mtbf_s is not None:
        lasting_s = fault.mttr_s if fault.mttr_s is not None else fault.duration_s
        lasting = f", for {duration(lasting_s)}" if lasting_s is not None else ""
        return f"at random, every {duration(fault.mtbf_s)} on average{lasting}"
    if fault.trace or fault.trace_file:
        return f"as traced ({counted(len(fault.trace), 'occurrence')})" if fault.trace else f"from {fault.trace_file}"
    lasting = f" for {duration(fault.duration_s)}" if fault.duration_s is not None else ""
    again = f", every {duration(fault.schedule_s)}" if fault.schedule_s is not None else ""
    return f"at {time_of_day(fault.at_s, start_s)}{lasting}{again}"


def _lost(tables: Tables, start_s: float) -> str:
    losses = list(tables["node_losses"].rows())
    if not losses:
        lost = list(tables["pods"].rows())
        pods = len({(one["workload"], one["pod"]) for one in lost})
        first = time_of_day(min(one["lost_s"] for one in lost), start_s)
        return (
            f"{pods} pods stop answering, the first at {first}." if pods > 1 else f"1 pod stops answering at {first}."
        )
    alike: dict[tuple[float, str], list[str]] = {}
    for loss in losses:
        alike.setdefault((loss["lost_s"], _noticed_and_back(loss)), []).append(loss["node"])
    if len(alike) > 2:
        names = sorted({loss["node"] for loss in losses})
        return f"Nodes are lost {len(losses)} times: {listed(names)}."
    return " ".join(
        f"{listed(nodes)} {'is' if len(nodes) == 1 else 'are'} lost at {time_of_day(lost_s, start_s)}, {rest}."
        for (lost_s, rest), nodes in alike.items()
    )


def _noticed_and_back(loss: Mapping) -> str:
    noticed_s, back_s = loss["noticed_s"], loss["back_s"]
    noticed = "nobody notices" if noticed_s is None else f"noticed after {duration(noticed_s - loss['lost_s'])}"
    back = "not back by the end" if back_s is None else f"back after {duration(back_s - loss['lost_s'])}"
    return f"{noticed}, {back}"


def _quorum(tables: Tables) -> str:
    least: dict[str, Mapping] = {}
    for row in tables["quorum"].rows():
        if row["group"] not in least or row["up"] < least[row["group"]]["up"]:
            least[row["group"]] = row
    lost = [_up(row) for row in least.values() if not row["quorum"]]
    kept = [_up(row) for row in least.values() if row["quorum"] and row["up"] < row["voters"]]
    told = [f"quorum is lost by {listed(lost)}"] if lost else []
    return ", ".join(told + ([f"{'' if lost else 'quorum is '}kept by {listed(kept)}"] if kept else []))


def _up(row: Mapping) -> str:
    return f"{row['group']} (at worst {row['up']} of {row['voters']} up)"


def _services(tables: Tables) -> str:
    services = list(tables["services"].rows())
    silent = [row for row in services if row["none_s"] > 0]
    degraded = sum(row["degraded_s"] > 0 for row in services)
    undetected_s = max((row["undetected_s"] for row in services), default=0.0)
    unseen = f"; for up to {duration(undetected_s)} traffic goes to dead endpoints" if undetected_s else ""
    if silent:
        worst = max(silent, key=lambda row: row["none_s"])
        of_all = f"{len(silent)} of {counted(len(services), 'Service')} {'has' if len(silent) == 1 else 'have'}"
        return f"{of_all} nobody answering, longest {worst['service']} for {duration(worst['none_s'])}{unseen}"
    if degraded:
        return f"every Service keeps an endpoint, {degraded} of {len(services)} fewer than before{unseen}"
    return ""


def _pods(tables: Tables) -> str:
    outcomes = Counter(tables["pods"].columns["outcome"])
    if not outcomes:
        return ""
    total = sum(outcomes.values())
    if len(outcomes) == 1:
        return f"{'the' if total == 1 else 'all'} {counted(total, 'lost pod')} {PAST[next(iter(outcomes))]}"
    told = [f"{count} {PAST[outcome]}" for outcome, count in outcomes.most_common()]
    return f"of {total} lost pods {listed(told, most=6)}"


def _short(tables: Tables) -> str:
    """Pods that should answer when the run ends and do not, by their cause."""
    lacking: Counter[str] = Counter()
    for row in tables["unrecovered"].rows():
        lacking[row["cause"]] += row["pods"]
    if not lacking:
        return ""
    told = ", ".join(f"{count} {cause}" for cause, count in lacking.most_common())
    return f"{counted(lacking.total(), 'pod')} {'do' if lacking.total() > 1 else 'does'} not recover ({told})"


def _sentence(parts: list[str]) -> list[str]:
    """The parts as one sentence, if there are any; none starts with a name, so its first letter may be a capital."""
    text = "; ".join(parts)
    return [f"{text[0].upper()}{text[1:]}."] if text else []
