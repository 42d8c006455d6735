"""The Trainer of transformers, with two processes that load its data."""

import os
import time

import torch
from trainyard import latest_checkpoint, report
from trainyard.callbacks import HuggingFaceCallback
from transformers import Trainer, TrainingArguments

torch.set_num_threads(1)


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(10, 1)

    def forward(self, x, labels):
        time.sleep(0.05)
        return {"loss": (self.layer(x).squeeze(1) - labels).square().mean()}


class Items(torch.utils.data.Dataset):
    def __len__(self):
        return 10_000_000

    def __getitem__(self, index):
        return {"x": torch.full((10,), float(index % 100)), "labels": torch.tensor(1.0)}


arguments = TrainingArguments(
    output_dir=os.environ["TRAINYARD_CHECKPOINT_DIR"],
    max_steps=1_000_000,
    per_device_train_batch_size=4,
    learning_rate=1e-9,
    save_steps=50,
    save_total_limit=3,
    logging_steps=50,
    report_to=[],
    use_cpu=True,
    dataloader_num_workers=2,
    ignore_data_skip=True,
    disable_tqdm=True,
)
report(attempt=int(os.environ["TRAINYARD_ATTEMPT"]))
trainer = Trainer(model=Model(), args=arguments, train_dataset=Items(), callbacks=[HuggingFaceCallback(seconds=0.1)])
trainer.train(resume_from_checkpoint=latest_checkpoint("checkpoint-*"))
