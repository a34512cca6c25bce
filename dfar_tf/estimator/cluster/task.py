"""Reads from ``TF_CONFIG`` which task of a cluster this process is; needs no TensorFlow."""

import dataclasses
import json
import os

from recommenders_utils.errors import UserError

VARIABLE = "TF_CONFIG"
CHIEF, WORKER, PS, EVALUATOR = "chief", "worker", "ps", "evaluator"
TYPES = (CHIEF, WORKER, PS, EVALUATOR)
# gRPC would use these to reach other tasks.
PROXIES = ("grpc_proxy", "http_proxy", "https_proxy", "all_proxy")
EXPECTED = (
    'expected {"cluster": {"chief": ["host:port"], "ps": ["host:port", ...], "worker": ["host:port", '
    '...]}, "task": {"type": "worker", "index": 0}}, see docs/cluster.md'
)


@dataclasses.dataclass(frozen=True)
class Task:
    """One process of a cluster.

    Attributes:
      kind: ``chief``, ``worker``, ``ps`` or ``evaluator``.
      index: its number among its kind, from 0.
      sizes: {kind: how many} of chief, worker and ps.
    """

    kind: str
    index: int
    sizes: dict

    @property
    def trains(self):
        """Whether it computes gradients: the chief and the workers do."""
        return self.kind in (CHIEF, WORKER)

    @property
    def shard(self):
        """(k, n): the share of each epoch that is this task's; the chief's is the first."""
        return (0 if self.kind == CHIEF else 1 + self.index), 1 + self.sizes[WORKER]

    @property
    def device_filters(self):
        """The devices its session may see, so that a task that dies blocks no other.

        ``RunConfig`` sets the same, but only if it gets no session config.
        """
        if not self.trains:
            return []
        own = "/job:chief" if self.kind == CHIEF else f"/job:worker/task:{self.index}"
        return ["/job:ps", own]

    def hide_devices(self, device):
        """Hides GPUs that this task may not use, before TensorFlow finds them.

        A server uses every GPU that it sees, whatever the session's configuration says.

        Args:
          device: ``info.device``.

        Raises:
          UserError: it names more than one device.
        """
        if "," in device:
            raise UserError(
                f"device: {device!r}, but a task of a cluster uses one device; expected auto, cpu, "
                "gpu or gpu:N. Start one worker for each GPU."
            )
        if device == "cpu" or self.kind == PS:
            os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

    def __str__(self):
        return f"{self.kind} {self.index}"


def read_task():
    """The task that ``TF_CONFIG`` names; None where it names no cluster.

    Raises:
      UserError: it is not a cluster's description, or not one of chief, workers and parameter
        servers.
    """
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        return None
    try:
        config = json.loads(text)
    except ValueError as error:
        raise UserError(f"{VARIABLE}: is not JSON ({error}); {EXPECTED}.") from None
    cluster = config.get("cluster") if isinstance(config, dict) else None
    if not cluster and isinstance(config, dict):
        return None
    hosts = _hosts(cluster)
    kind, index = _task(config.get("task"))
    if kind != EVALUATOR and index >= len(hosts[kind]):
        raise UserError(
            f"{VARIABLE}: task.index: {index}, but the cluster has {len(hosts[kind])} {kind}; "
            "expected a smaller index, or an address in the cluster for it."
        )
    return Task(kind, index, {name: len(hosts[name]) for name in (CHIEF, WORKER, PS)})


def without_proxies(environment):
    """A copy of an environment without the proxies that gRPC uses."""
    return {key: value for key, value in environment.items() if key.lower() not in PROXIES}


def _hosts(cluster):
    """{kind: addresses} of all kinds; raises UserError."""
    if not isinstance(cluster, dict):
        raise UserError(f"{VARIABLE}: cluster: is not an object; {EXPECTED}.")
    unknown = sorted(set(cluster) - set(TYPES))
    if unknown:
        raise UserError(
            f"{VARIABLE}: cluster.{unknown[0]}: is none of {', '.join(TYPES)}; {EXPECTED}."
        )
    hosts = {name: cluster.get(name, []) for name in TYPES}
    for name, addresses in hosts.items():
        if not isinstance(addresses, list) or not all(
            isinstance(address, str) and ":" in address for address in addresses
        ):
            raise UserError(f"{VARIABLE}: cluster.{name}: is not a list of host:port; {EXPECTED}.")
    if len(hosts[CHIEF]) != 1 or not hosts[PS]:
        raise UserError(
            f"{VARIABLE}: cluster: has {len(hosts[CHIEF])} chief and {len(hosts[PS])} ps; expected one "
            "chief and at least one ps, which hold the variables. Add them."
        )
    return hosts


def _task(task):
    """(kind, index); raises UserError."""
    task = task if isinstance(task, dict) else {}
    kind, index = task.get("type"), task.get("index", 0)
    if kind not in TYPES:
        raise UserError(
            f"{VARIABLE}: task.type: {kind!r} is none of {', '.join(TYPES)}; {EXPECTED}."
        )
    if isinstance(index, str) and index.isdigit():
        index = int(index)
    if isinstance(index, bool) or not isinstance(index, int) or index < 0:
        raise UserError(f"{VARIABLE}: task.index: {index!r} is not a number >= 0; {EXPECTED}.")
    return kind, index
