"""A name that means the script, however it is launched."""

import shlex
import subprocess

import pytest

from cli.submission.job_names import name_of
from cli.views.shell_words import joined


@pytest.mark.parametrize(
    "command",
    [
        "python train.py", "python -W ignore train.py", "python3.11 -X dev -u train.py --lr 1", "python train.py -c conf",
        "torchrun --nproc-per-node 4 train.py", "torchrun --standalone --nproc-per-node=4 train.py", "env A=1 B=2 ./train.py",
        "python -m torch.distributed.run --nproc_per_node 4 train.py", "accelerate launch --multi_gpu --num_processes 4 train.py",
        "accelerate launch --mixed_precision bf16 train.py", "deepspeed --num_gpus 8 train.py", "mpirun -np 4 python train.py",
        "uv run train.py", "conda run -n env python -u train.py", "timeout 10 python train.py", "nohup nice -n 5 python train.py",
    ],
)  # fmt: skip
def test_a_script_gives_its_name_behind_any_launcher_and_options(command):
    assert name_of(shlex.split(command)) == "train"


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("python -m pkg.train", "pkg.train"), ("python -c pass", "python"), ("bash -lc 'a b'", "bash"), ("bash run.sh", "run.sh"),
        ("torchrun", "torchrun"), ("torchrun --nproc-per-node 4", "torchrun"), ("sleep 60", "sleep"), ("python", "python"),
    ],
)  # fmt: skip
def test_without_a_script_the_program_or_module_gives_it(command, name):
    assert name_of(shlex.split(command)) == name


@pytest.mark.parametrize("word", ["a\nb", "it's\n\\n", "\x1b[31m", "tab\there", "", "a b", "ü\n", "$HOME\n`x`"])
def test_a_command_that_is_shown_is_the_same_command_when_it_is_copied(word):
    line = joined(["printf", "%s", word])
    assert "\n" not in line
    assert line.isprintable()
    assert subprocess.run(["bash", "-c", line], capture_output=True, check=True).stdout.decode() == word
