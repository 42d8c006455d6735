"""Who of a command gets SIGTERM: who saves the work keeps those that load its data."""

import pytest

SAVES = """
import multiprocessing, os, signal, subprocess, sys, time

def say(text):
    os.write(1, text.encode() + b"\\n")

def save(*_):
    time.sleep(0.3)
    say("saved" if {alive} else "lost its helper")
    os._exit(0)

if __name__ == "__main__":
    {catch}
    {begin}
    say("ready")
    while True:
        time.sleep(0.01)
"""
CATCH = "signal.signal(signal.SIGTERM, save)"
COPY = "pid = os.fork()\n    if pid == 0:\n        signal.signal(signal.SIGTERM, {on_term}); {does}"
SLEEPS = COPY.format(on_term="signal.SIG_DFL", does="time.sleep(60)")
RUNS = COPY.format(on_term="signal.SIG_DFL", does="os._exit(subprocess.call(['sleep', '60']))")
SAYS_SO = COPY.format(on_term="lambda *_: (say('told'), os._exit(0))", does="time.sleep(60)")
POOL = "helper = multiprocessing.get_context({!r}).Process(target=time.sleep, args=(60,)); helper.start()"


def script(begin, alive="os.waitpid(pid, os.WNOHANG) == (0, 0)", catch=CATCH):
    return SAVES.format(begin=begin, alive=alive, catch=catch)


def stopped(launched):
    launched.prints(b"ready").shim.stop()
    launched.outcome()
    return launched.log.decode().split("\n")[:-1]


@pytest.mark.parametrize("begin", [SLEEPS, RUNS], ids=["a copy", "what a copy runs"])
def test_who_saves_the_work_keeps_copies_of_itself(start, begin):
    assert stopped(start.python(script(begin))) == ["ready", "saved"]


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_who_saves_the_work_keeps_the_processes_of_multiprocessing(start, tmp_path, method):
    file = tmp_path / "train.py"
    file.write_text(script(POOL.format(method), alive="helper.is_alive()"))
    assert stopped(start("python3", "-I", "-S", str(file)))[:2] == ["ready", "saved"]


def test_under_a_shell_that_dies_of_it_the_work_is_saved_all_the_same(start):
    launched = start("sh", "-c", 'python3 -I -S -c "$1"; true', "sh", script(SLEEPS))
    assert stopped(launched) == ["ready", "saved"]


@pytest.mark.parametrize(
    "saves",
    [
        ["python3", "-I", "-S", "-c", script("pass", alive="subprocess.call(['sleep', '1.5']) == 0")],
        ["sh", "-c", "trap 'sleep 1.5 && echo saved; exit 3' TERM; echo ready; while :; do sleep 0.05; done"],
    ],
    ids=["a handler", "a trap"],
)
def test_who_saves_the_work_keeps_the_programs_that_it_begins_for_that(start, saves):
    """Its shell dies of the signal at once, so whoever is left is looked at once a second."""
    assert stopped(start("sh", "-c", '"$@"; true', "sh", *saves))[-1] == "saved"


def test_where_nobody_saves_anything_copies_are_told_too(start):
    assert stopped(start.python(script(SAYS_SO, catch="pass"))) == ["ready", "told"]


def test_a_copy_that_outlives_who_saves_is_told_then(start):
    assert stopped(start.python(script(SAYS_SO))) == ["ready", "saved", "told"]


def test_a_program_under_a_shell_with_a_trap_is_told_by_us(start):
    """The shell would wait for its end before it looks at the signal."""
    launched = start("sh", "-c", 'trap "echo cleaned" TERM; python3 -I -S -c "$1"; exit 3', "sh", script(SLEEPS))
    assert stopped(launched) == ["ready", "saved", "cleaned"]


def test_a_shells_copy_of_itself_does_not_go_on_with_its_next_command(start):
    trapped = "trap 'sleep 0.3; exit 3' TERM; (sleep 61; echo went on) & echo ready; while :; do sleep 0.05; done"
    assert "went on" not in stopped(start.sh(trapped))


def test_what_was_put_into_a_session_of_its_own_is_left_to_who_did_that(start):
    """As torchrun starts its workers, to which it passes the signal on: told twice, they would stop in a hurry."""
    child = "import signal, time; signal.signal(15, lambda *_: print('told', flush=True)); print('up', flush=True); time.sleep(60)"
    begin = f"helper = subprocess.Popen([sys.executable, '-c', {child!r}], start_new_session=True)"
    launched = start.python(script(begin, "helper.poll() is None"), grace_seconds=1.5).prints(b"up")
    assert stopped(launched)[-2:] == ["saved", "told"]
