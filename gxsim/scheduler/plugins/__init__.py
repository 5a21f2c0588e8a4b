"""The default plugins of kube-scheduler v1.34, one file each, under their own names.

A plugin is of one of three sorts, by what its answer depends on:

- the pod's template and the nodes' properties: ``refuse(template)``, asked once per template;
- also claims and volumes: ``reject(template)`` for the whole pod, then ``refuse(template)``, asked once per template
  and change of a volume;
- also the pods on nodes: ``prepare(demand)`` once, then ``refuse(demand, rows, situation)`` for each decision.
"""
