"""The Trainer of Lightning, with two processes that load its data, and a validation now and then."""

import os
import time

import lightning
import torch
from trainyard import latest_checkpoint, report
from trainyard.callbacks import LightningCallback

torch.set_num_threads(1)


class Module(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(10, 1)

    def training_step(self, batch, _):
        time.sleep(0.05)
        return self.layer(batch).mean()

    def validation_step(self, batch, _):
        time.sleep(0.05)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=1e-9)


class Items(torch.utils.data.Dataset):
    def __init__(self, number):
        self.number = number

    def __len__(self):
        return self.number

    def __getitem__(self, index):
        return torch.full((10,), float(index % 100))


def loaded(number):
    return torch.utils.data.DataLoader(Items(number), batch_size=4, num_workers=2)


report(attempt=int(os.environ["TRAINYARD_ATTEMPT"]))
trainer = lightning.Trainer(
    accelerator="cpu",
    max_epochs=-1,
    val_check_interval=40,
    logger=False,
    enable_progress_bar=False,
    enable_checkpointing=False,
    default_root_dir=os.environ["TRAINYARD_OUTPUT_DIR"],
    callbacks=[LightningCallback(seconds=0.1)],
)
trainer.fit(Module(), loaded(100_000), loaded(80), ckpt_path=latest_checkpoint("*.ckpt"))
