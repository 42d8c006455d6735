"""Scripts that are told to stop, as processes of their own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TRAIN = """
import sys
from trainyard import stoppable

done = []
for step in stoppable(range(int(sys.argv[1])), lambda: print("saved", len(done), flush=True)):
    print("step", step, flush=True)
    sys.stdin.readline()
    done.append(step)
print("finished", len(done), flush=True)
"""
# The handler writes by itself: the signal may come while the line before is still being printed.
CHAINED = """
import os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: os.write(1, b"theirs\\n"))
from trainyard import preempted
print(preempted(), flush=True)
sys.stdin.readline()
print(preempted(), flush=True)
"""
CHILD = """
import os, signal, time
from trainyard import preempted
preempted()
ready, say = os.pipe()
child = os.fork()
if child == 0:
    os.write(say, b"here")
    while True:
        time.sleep(0.01)
os.read(ready, 4)
os.kill(child, signal.SIGTERM)
print(os.WTERMSIG(os.waitpid(child, 0)[1]), preempted())
"""
THREAD = """
import threading
from trainyard import preempted
answers = []
thread = threading.Thread(target=lambda: answers.append(preempted()))
thread.start(); thread.join()
print(answers)
"""
LOADER = """
import multiprocessing, os, signal, time
from trainyard import stoppable

def load(pipe):
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for step in range(100):
        time.sleep(0.02)
        pipe.send(step)

def items():
    ours, theirs = multiprocessing.Pipe()
    loader = multiprocessing.get_context("fork").Process(target=load, args=(theirs,), daemon=True)
    loader.start()
    theirs.close()
    while True:
        yield ours.recv()

if __name__ == "__main__":
    os.setpgid(0, 0)
    for step in stoppable(items(), lambda: print("saved", step, flush=True)):
        if step == 3:
            os.killpg(0, signal.SIGTERM)
"""
RANK = """
import multiprocessing
from trainyard import preempted

def train(pipe):
    while not preempted():
        pass
    print("heard", flush=True)

if __name__ == "__main__":
    preempted()
    rank = multiprocessing.get_context("fork").Process(target=train, args=(None,))
    rank.start()
    print("ready", flush=True)
    rank.join()
    print(preempted(), flush=True)
"""
OTHERS = """
import sys
from trainyard import agreement, stopping
agreement._group = lambda: "ours"
agreement._greatest = lambda values, group: [values[0] or step == 1, values[1], values[2]]
agreement.ROUND_SECONDS = 0
step = -1
for step in stopping.stoppable(range(100), lambda: print("saved", flush=True)):
    pass
"""


class Script:
    """A script in Python that says what it does, line by line."""

    def __init__(self, text, *arguments):
        command = [sys.executable, "-S", "-c", text, *map(str, arguments)]
        environment = {**os.environ, "TRAINYARD_JOB_ID": "17"}
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def says(self):
        return self.process.stdout.readline().strip()

    def go_on(self):
        self.process.stdin.write("\n")

    def end(self):
        """The rest of what it says, and its exit code."""
        said, _ = self.process.communicate(timeout=30)
        return said.split("\n")[:-1], self.process.returncode


@pytest.fixture
def start():
    scripts = []

    def start(*words):
        scripts.append(Script(*words))
        return scripts[-1]

    yield start
    for script in scripts:
        script.process.kill()
        script.process.communicate()


def test_a_script_that_is_told_to_stop_ends_its_step_saves_and_says_so_by_its_exit_code(start):
    script = start(TRAIN, 100)
    assert script.says() == "step 0"
    script.process.send_signal(signal.SIGTERM)
    script.go_on()
    assert script.end() == (["saved 1"], 143)


def test_in_its_last_step_there_is_nothing_left_to_stop(start):
    script = start(TRAIN, 1)
    assert script.says() == "step 0"
    script.process.send_signal(signal.SIGTERM)
    script.go_on()
    assert script.end() == (["finished 1"], 0)


def test_a_handler_that_was_there_before_is_still_called(start):
    script = start(CHAINED)
    assert script.says() == "False"
    script.process.send_signal(signal.SIGTERM)
    assert script.says() == "theirs"
    script.go_on()
    assert script.end() == (["True"], 0)


def test_a_forked_child_dies_of_the_signal_as_it_would_have(start):
    assert start(CHILD).end() == ([f"{signal.SIGTERM.value} False"], 0)


def test_asking_in_a_thread_is_harmless(start):
    assert start(THREAD).end() == (["[False]"], 0)


def test_a_process_that_loads_data_outlasts_a_signal_to_the_whole_group(start):
    """As torchrun sends it."""
    assert start(LOADER).end() == (["saved 3"], 143)


def test_data_that_no_longer_comes_is_no_failure_of_one_that_has_been_told_to_stop(start):
    died = LOADER.replace(
        "os.killpg(0, signal.SIGTERM)", "os.kill(os.getpid(), 15); multiprocessing.active_children()[0].kill()"
    )
    assert start(died).end() in [([f"saved {step}"], 143) for step in range(3, 100)]


def test_without_being_told_a_loss_of_the_data_is_a_failure(start):
    died = LOADER.replace("os.killpg(0, signal.SIGTERM)", "multiprocessing.active_children()[0].kill()")
    assert start(died).end() == ([], 1)


def test_a_child_that_asks_hears_what_the_process_that_forked_it_was_told(start):
    script = start(RANK)
    assert script.says() == "ready"
    script.process.send_signal(signal.SIGTERM)
    assert script.end() == (["heard", "True"], 0)


def test_one_that_hears_it_from_another_rank_waits_until_it_is_told_itself(start):
    script = start(OTHERS)
    assert script.says() == "saved"
    script.process.send_signal(signal.SIGTERM)
    assert script.end() == ([], 143)
