"""One process with four processes that load its data."""

import os
import time
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Dataset
from trainyard import latest_checkpoint, report, stoppable

torch.set_num_threads(1)
FOLDER = Path(os.environ["TRAINYARD_CHECKPOINT_DIR"])


class Items(Dataset):
    def __len__(self):
        return 10_000_000

    def __getitem__(self, index):
        time.sleep(0.02)
        return torch.full((10,), float(index % 100))


def save():
    draft = FOLDER / "latest.pt.draft"
    torch.save({"step": step, "model": model.state_dict()}, draft)
    draft.replace(FOLDER / "latest.pt")
    report.checkpoint()


found = latest_checkpoint("*.pt")
step = torch.load(found)["step"] if found else 0
report(attempt=int(os.environ["TRAINYARD_ATTEMPT"]))
model = torch.nn.Linear(10, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=1e-9)
for batch in stoppable(DataLoader(Items(), batch_size=4, num_workers=4), save):
    loss = model(batch).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    step += 1
    report(step=step)
