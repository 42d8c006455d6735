"""Pictures are drawn of what happened."""

from simulator.cluster import nodes_of, pool
from simulator.plots import draw, waiting_jobs
from simulator.replay import Replay
from tests.simulator.builders import jobs, replayed

ROWS = jobs((0, 60, 3), (10, 5, 3), (20, 5, 1))


def test_the_line_grows_with_each_arrival_and_shrinks_with_each_start():
    assert waiting_jobs(replayed(jobs((0, 60, 4), (10, 5, 4)), 4)) == [(0, 0), (10, 1), (60, 0)]


def test_every_picture_is_a_png(tmp_path):
    drawn = draw({"fifo": replayed(ROWS, 4), "sjf": replayed(ROWS, 4)}, pool(4), tmp_path / "new")

    assert {path.name for path in drawn} == {
        "queue.png",
        "utilisation.png",
        "wait_by_size.png",
        "gantt_fifo.png",
        "gantt_sjf.png",
    }
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in drawn)


def test_nodes_can_be_drawn_too(tmp_path):
    cluster = nodes_of("2x4x0")

    assert draw({"fifo": Replay(ROWS, cluster).run()}, cluster, tmp_path)
