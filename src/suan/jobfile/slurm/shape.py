"""Nodes and tasks, and what one node must have: Slurm's arithmetic of what is left out."""

from dataclasses import dataclass

from suan.jobfile.slurm.lines import Options
from suan.model.spec import DEFAULT_CPU_MILLI, ResourceOption


@dataclass(frozen=True, slots=True)
class Shape:
    """Nodes and tasks, and what one node must have."""

    nodes: int
    max_nodes: int | None
    tasks: int
    tasks_per_node: int
    cpus_per_task: int | None
    memory_mib: int | None
    accelerators: dict[str, int]

    @property
    def cpus_per_node(self) -> int:
        return self.tasks_per_node * (self.cpus_per_task or DEFAULT_CPU_MILLI // 1000)

    def option(self) -> ResourceOption:
        return ResourceOption(
            cpu_milli=self.cpus_per_node * 1000,
            memory_mib=self.memory_mib,
            accelerators=self.accelerators,
        )

    def environment(self) -> dict[str, str]:
        """Slurm's variables that the script's options fix, on as many nodes as it starts with."""
        env = {
            "SLURM_NTASKS_PER_NODE": str(self.tasks_per_node),
            "SLURM_CPUS_ON_NODE": str(self.cpus_per_node),
            **sums(self.nodes, str(self.tasks_per_node), str(self.cpus_per_node)),
        }
        env["SLURM_NTASKS"] = env["SLURM_NPROCS"] = str(self.tasks)
        if self.cpus_per_task is not None:
            env["SLURM_CPUS_PER_TASK"] = str(self.cpus_per_task)
        if self.memory_mib is not None:
            env["SLURM_MEM_PER_NODE"] = str(self.memory_mib)
        if self.accelerators:
            env["SLURM_GPUS_ON_NODE"] = str(-(-sum(self.accelerators.values()) // 1000))
        return env


def sums(nodes: int, tasks_per_node: str, cpus_per_node: str) -> dict[str, str]:
    """Slurm's variables that depend on how many nodes a run has."""
    times = f"(x{nodes})" if nodes > 1 else ""
    tasks = str(nodes * int(tasks_per_node))
    return {
        "SLURM_NTASKS": tasks,
        "SLURM_NPROCS": tasks,
        "SLURM_TASKS_PER_NODE": tasks_per_node + times,
        "SLURM_JOB_CPUS_PER_NODE": cpus_per_node + times,
    }


def shape_of(options: Options) -> Shape:
    """Nodes and tasks by Slurm's rules, filling in what is left out."""
    tasks, per_node = options.value("ntasks", None), options.value("ntasks-per-node", None)
    nodes, most = options.value("nodes", (None, None))
    if tasks is not None or "gpus" in options.given:  # a sum is shared by a number that is fixed
        most = None
    if nodes is None:
        nodes = _ceil(tasks, per_node) if tasks and per_node else 1
    if per_node is None or tasks is not None:
        per_node = _ceil(tasks or nodes, nodes)
    cpus = options.value("cpus-per-task", None)
    accelerators = _accelerators(options, nodes, per_node)
    return Shape(
        nodes=nodes,
        max_nodes=most,
        tasks=tasks or nodes * per_node,
        tasks_per_node=per_node,
        cpus_per_task=cpus,
        memory_mib=_memory(options, cpus=per_node * (cpus or 1), accelerators=accelerators),
        accelerators=accelerators,
    )


def _ceil(amount: int, parts: int) -> int:
    return -(-amount // parts)


def _accelerators(options: Options, nodes: int, tasks_per_node: int) -> dict[str, int]:
    found: dict[str, int] = {}
    found.update(options.value("gres", {}))
    found.update(options.value("gpus-per-node", {}))
    total: dict[str, int] = options.value("gpus", {})
    found.update({m: _ceil(_ceil(n, nodes), 1000) * 1000 for m, n in total.items()})
    per_task: dict[str, int] = options.value("gpus-per-task", {})
    found.update({m: n * tasks_per_node for m, n in per_task.items()})
    return found


def _memory(options: Options, *, cpus: int, accelerators: dict[str, int]) -> int | None:
    if "mem" in options.given:
        whole: int | None = options.given["mem"].value
        return whole
    per_cpu, per_gpu = options.value("mem-per-cpu", None), options.value("mem-per-gpu", None)
    if per_cpu:
        return int(per_cpu) * cpus
    return _ceil(int(per_gpu) * sum(accelerators.values()), 1000) if per_gpu else None
