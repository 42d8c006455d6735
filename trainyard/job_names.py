"""A name for a job that was given none: that of the script which its command runs, else of its program.

Run times are learned by name, so the same script has the same name however it is launched, and with whatever options.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

NAME_LENGTH = 200
VARIABLE = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)
SCRIPT = re.compile(r".*\.(py|pyz|sh|bash|R|r|jl|js|mjs|pl|rb|lua|ipynb)")
VERSION = re.compile(r"[\d.]+$")


@dataclass(frozen=True, slots=True)
class Runs:
    """A program that runs another: which of its options take the next word, or take none, and its commands before that.

    `flags` None: an option takes the next word if it is in `valued`; else every one does that is not in `flags`.
    """

    valued: frozenset[str] = frozenset()
    flags: frozenset[str] | None = None
    verbs: frozenset[str] = frozenset()
    numbers: int = 0
    """So many words come before the command: `timeout 10 CMD`."""


def _runs(valued: str = "", flags: str | None = None, verbs: str = "", numbers: int = 0) -> Runs:
    known = None if flags is None else frozenset(flags.split())
    return Runs(frozenset(valued.split()), known, frozenset(verbs.split()), numbers)


INTERPRETERS: Mapping[str, Runs] = {
    "python": _runs("-W -X --check-hash-based-pycs"),
    "pypy": _runs("-W -X"),
    "bash": _runs("-o -O +o +O --rcfile --init-file"),
    "sh": _runs("-o +o"),
    "zsh": _runs("-o +o"),
    "Rscript": _runs("-e"),
    "julia": _runs("-t -p -L -J -C --threads --procs --load --sysimage"),
    "node": _runs("-r -C --require --import --loader --conditions"),
}
LAUNCHERS: Mapping[str, Runs] = {
    "torchrun": _runs(
        flags="--standalone --no-python --no_python --run-path --run_path --use-agent-store --use_agent_store "
        "--use-libuv --use_libuv -m --module --virtual-local-rank --virtual_local_rank"
    ),
    "accelerate": _runs(
        flags="-q --quiet -m --module --no_python --cpu --multi_gpu --multi-gpu --tpu --use_deepspeed --use-deepspeed "
        "--use_fsdp --use-fsdp --use_megatron_lm --debug --same_network --rdzv_same_network --use_xpu --ipex --dynamo_use_dynamic "
        "--dynamo_use_fullgraph --main_training_function_first",
        verbs="launch",
    ),
    "deepspeed": _runs(
        flags="--module --no_python --no_local_rank --enable_each_rank_log --force_multi --bind_cores_to_rank"
    ),
    "horovodrun": _runs(flags="--verbose --disable-cache --gloo --mpi --tcp --check-build"),
    "mpirun": _runs("-x -H --host --hostfile --map-by --bind-to --mca -np -n -c --np --report-bindings-to"),
    "mpiexec": _runs("-x -H --host --hostfile --map-by --bind-to --mca -np -n -c --np"),
    "srun": _runs("-n -N -c -p -J -t -A --ntasks --nodes --cpus-per-task --partition --job-name --time --account"),
    "env": _runs("-u -C -S --unset --chdir"),
    "nohup": _runs(),
    "time": _runs("-f -o"),
    "nice": _runs("-n --adjustment"),
    "exec": _runs(),
    "stdbuf": _runs("-i -o -e"),
    "timeout": _runs("-s -k --signal --kill-after", numbers=1),
    "taskset": _runs(numbers=1),
    "numactl": _runs("-C -N -m -i -p"),
    "xvfb-run": _runs("-n -s -f -e -p"),
    "uv": _runs("-p --python --with --extra --group --project --directory --env-file", verbs="run"),
    "poetry": _runs("-C -P --directory --project", verbs="run"),
    "pipenv": _runs(verbs="run"),
    "conda": _runs("-n -p --name --prefix --cwd", verbs="run"),
    "mamba": _runs("-n -p --name --prefix --cwd", verbs="run"),
    "micromamba": _runs("-n -p --name --prefix --cwd", verbs="run"),
    "coverage": _runs("--source --rcfile --include --omit", verbs="run"),
    "nsys": _runs("-t -o --trace --output", verbs="profile"),
}
MODULES = {
    "torch.distributed.run": "torchrun",
    "torch.distributed.launch": "torchrun",
    "accelerate.commands.launch": "accelerate",
}
"""Launchers under the names by which `python -m` starts them."""


def name_of(command: Sequence[str]) -> str:
    """`train` of `python -u train.py --lr 1`, of `torchrun --nproc-per-node 4 train.py` and of `env A=1 ./train.py`."""
    return (_script(command) or _stem(command[0]))[:NAME_LENGTH] or "job"


def _script(command: Sequence[str]) -> str:
    """What the command runs in the end; empty where that cannot be told."""
    program = PurePath(command[0]).name.removesuffix(".exe")
    kind = VERSION.sub("", program) or program
    if kind in INTERPRETERS:
        return _of_interpreter(kind, command) or program
    if kind in LAUNCHERS:
        return _of_launcher(LAUNCHERS[kind], command[1:]) or program
    return _stem(command[0])


def _of_interpreter(kind: str, command: Sequence[str]) -> str:
    python = kind in ("python", "pypy")
    words = list(command[1:])
    while words:
        word = words.pop(0)
        if python and word == "-m" and words:
            module, *rest = words
            return _of_launcher(LAUNCHERS[MODULES[module]], rest) if module in MODULES else module
        if word == "--":
            return _stem(words[0]) if words else ""
        if word[:1] not in ("-", "+"):
            return _stem(word)
        if _is_inline(kind, word):
            return ""
        if word in INTERPRETERS[kind].valued:
            words = words[1:]
    return ""


def _is_inline(kind: str, word: str) -> bool:
    """Whether the program itself stands on the command line: `-c`, a shell's `-lc`, `-e` of others."""
    if kind in ("bash", "sh", "zsh"):
        return not word.startswith("--") and word.endswith("c")
    return word == "-" or word in ({"-c"} if kind in ("python", "pypy") else {"-e", "-p", "--eval"})


def _of_launcher(its: Runs, words: Sequence[str]) -> str:
    """The command behind a launcher's own options; if a word there looks like a script, that it is."""
    left, numbers = list(words), its.numbers
    while left:
        word = left.pop(0)
        if word == "--":
            continue
        if word.startswith("-"):
            takes = "=" not in word and (word in its.valued if its.flags is None else word not in its.flags)
            if takes and left and not SCRIPT.fullmatch(left[0]):
                left = left[1:]
        elif VARIABLE.fullmatch(word) or word in its.verbs:
            continue
        elif numbers:
            numbers -= 1
        else:
            return _script([word, *left])
    return ""


def _stem(path: str) -> str:
    """The name of a program, of a Python script without what says its language."""
    return PurePath(path).name.removesuffix(".py")
