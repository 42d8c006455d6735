"""One of the processes of a gang: each of two nodes runs `torchrun` with two of them, 50 ms a step."""

import os
import time
from pathlib import Path

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from trainyard import latest_checkpoint, report, stoppable

torch.set_num_threads(1)
FOLDER = Path(os.environ["TRAINYARD_CHECKPOINT_DIR"])


def save():
    if dist.get_rank() == 0:
        draft = FOLDER / "latest.pt.draft"
        torch.save({"step": step, "model": model.module.state_dict()}, draft)
        draft.replace(FOLDER / "latest.pt")
        report.checkpoint()


found = latest_checkpoint("*.pt")
begin = torch.load(found)["step"] if found else 0
dist.init_process_group("gloo")
report(attempt=int(os.environ["TRAINYARD_ATTEMPT"]))
model = DistributedDataParallel(torch.nn.Linear(10, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=1e-9)
for step in stoppable(range(begin + 1, 100_000_000), save):
    time.sleep(0.05)
    loss = model(torch.randn(8, 10)).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    report(step=step)
