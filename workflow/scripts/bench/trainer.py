"""Compare the loops that adapt and fine-tune LAMAR with the Trainer of transformers: speed, and the cost of a kill.

    PYTHONPATH=workflow/scripts python -P -m bench.trainer [--size lamar-mini] [--repeats 5]

The Trainer gets what our loops use: micro-batches sorted by length and masked by the number of the step, the same loss,
optimiser, schedule, clipping and order of rows, and the held-out loss by a callback. Whole trainings take turns; ratios
are medians over turns of CPU seconds. A run that is killed and continued is compared with an uninterrupted one: with
the checkpoint that the library writes, and with one that holds the tensors under their original names. The results are
in docs/stage2.md.
"""

import argparse
import math
import statistics
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
import transformers

from s2f.baselines import _finetuning
from s2f.language_model import configuration, loading, states, tapt, tokenizer
from s2f.language_model.lamar import FAMILY, TOKENS
from s2f.language_model.schedule import schedule
from s2f.sequences import dna

SEED = 1


class KilledError(Exception):
    """Raised to end a run that is to be continued."""


class Ours(transformers.Trainer):
    """A Trainer with our batches, loss and optimiser. `plain_names`: checkpoints hold the tensors under their names in
    the model."""

    def __init__(self, loss, optimiser, share, plain_names=True, **rest):
        super().__init__(data_collator=lambda items: items[0], **rest)
        self.remove_callback(transformers.PrinterCallback)
        self.loss, self.optimizer, self.plain_names = loss, optimiser, plain_names
        self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: share(step))
        self.model_accepts_loss_kwargs = True  # the loss is for the whole batch and must not be divided

    def _get_train_sampler(self, *_):
        return torch.utils.data.SequentialSampler(self.train_dataset)

    def _prepare_inputs(self, inputs):
        return inputs

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """Our loss of one of our items."""
        return self.loss(model, inputs)

    def _save(self, output_dir=None, state_dict=None):
        if not self.plain_names:
            return super()._save(output_dir, state_dict)
        Path(output_dir).mkdir(parents=True, exist_ok=True)
        states.write(Path(output_dir) / "model.safetensors", self.model.state_dict())

    def _load_from_checkpoint(self, folder, model=None):
        if not self.plain_names:
            return super()._load_from_checkpoint(folder, model)
        self.model.load_state_dict(states.read_file(Path(folder) / "model.safetensors"))


class HeldOut(transformers.TrainerCallback):
    """Calls `check(model)` every few steps and after the last, and ends the run at step `kill`."""

    def __init__(self, check, every, last, kill=None):
        self.check, self.every, self.last, self.kill, self.found = check, every, last, kill, []

    def on_step_end(self, args, state, control, model=None, **_):
        """As the class says."""
        if state.global_step % self.every == 0 or state.global_step == self.last:
            self.found.append(self.check(model))
        if state.global_step == self.kill:
            raise KilledError


class Items(torch.utils.data.Dataset):
    """`count` items that a function makes."""

    def __init__(self, count, make):
        self.count, self.make = count, make

    def __len__(self):
        return self.count

    def __getitem__(self, number):
        return self.make(number)


def arguments(folder, steps, accumulated, clip, every, save_every):
    """`TrainingArguments` of a run on the CPU that reports nothing."""
    return transformers.TrainingArguments(
        output_dir=str(folder), max_steps=steps, per_device_train_batch_size=1, gradient_accumulation_steps=accumulated,
        max_grad_norm=clip, logging_steps=every, save_steps=save_every, save_total_limit=1, report_to=[], use_cpu=True,
        disable_tqdm=True, remove_unused_columns=False, save_strategy="steps" if save_every < steps else "no",
        dataloader_pin_memory=False,
    )  # fmt: skip


def adapted(windows, held_out, settings, folder, plain_names=True, resume=False, kill=None):
    """(model, held-out losses, logged losses of training) as `tapt.train` makes them, by the Trainer."""
    model = tapt.start(settings)[0].train()
    states.fingerprint(model)
    windows, held = np.array(windows, object), tapt._validation(held_out, TOKENS, settings, SEED)
    tapt.frequencies_loss(windows, held[2], TOKENS)
    parts = math.ceil(settings.batch_size / settings.micro_batch)
    batch, at = None, None

    def micro(number):
        nonlocal batch, at
        step, part = divmod(number, parts)
        if step != at:
            batch, at = tapt._batch(windows, step, TOKENS, settings, SEED), step
        targets = max(1, int((batch[2] != tapt.IGNORED).sum()))
        return list(tapt._micro(batch, settings))[part], targets

    def loss(model, item):
        return tapt.masked_loss(FAMILY, TOKENS, model, *item[0]) / item[1]

    def check(model):
        return tapt._loss_of(model, held, settings, lambda *part: tapt.masked_loss(FAMILY, TOKENS, *part))

    first = [] if resume else [check(model)]
    callback = HeldOut(check, settings.validate_every, settings.steps, kill)
    trainer = Ours(
        loss, tapt._optimiser(model, settings), lambda step: schedule(step, settings.steps, settings.warmup),
        plain_names, model=model, train_dataset=Items(settings.steps * parts, micro), callbacks=[callback],
        args=arguments(
            folder, settings.steps, parts, settings.clip, settings.validate_every, settings.checkpoint_every
        ),
    )  # fmt: skip
    with suppress(KilledError):
        trainer.train(resume_from_checkpoint=resume or None)
    logged = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return model, first + callback.found, logged


def finetuned(train, val, settings, folder):
    """The model after one epoch of `_finetuning.finetune`, by the Trainer."""
    model = _finetuning.for_cls(_classifier(settings.size))
    (ids, labels), val_ids = (torch.from_numpy(array) for array in train), torch.from_numpy(val[0])
    forward, _ = _finetuning._phase(model, False, (ids, val_ids), settings)
    steps = _finetuning._Steps(model.train(), False, math.ceil(len(ids) / settings.batch_size), settings, "cpu")
    rows = torch.from_numpy(_finetuning._order(len(ids), 1, SEED)).split(settings.batch_size)
    trainer = Ours(
        lambda model, item: _finetuning.loss_sum(forward(item[0]).float(), item[1]) / len(item[1]), steps.optimiser,
        lambda step: schedule(step, len(rows), settings.warmup), model=model,
        train_dataset=Items(len(rows), lambda number: (ids[rows[number]], labels[rows[number]].long())),
        args=arguments(folder, len(rows), 1, settings.clip, len(rows), 10**6),
    )  # fmt: skip
    trainer.train()
    _finetuning._outputs(model, forward, val_ids, settings)
    return model


def bench_speed(size="lamar-mini", steps=10, batch=64, rows=512, repeats=5):
    """Print windows per CPU second of both ways; returns {what: (ratio, largest difference of the weights)}."""
    train, held = random_windows(1000, 1), random_windows(32, 2)
    adapting = _adaptation(size, steps=steps, batch_size=batch, micro_batch=max(1, batch // 2))
    tuning = _finetuning.Settings.from_spec(
        {"size": size, "weights": {"random": 0}, "epochs": 1, "learning_rate": 1e-3}, "lamar_finetuned"
    )
    parts = [_labelled(rows, 3), _labelled(64, 4)]
    out = {}
    with tempfile.TemporaryDirectory() as folder:
        nowhere = Path(folder) / "checkpoint"
        ways = {
            "adaptation": (
                steps * batch,
                lambda: tapt.train(train, held, adapting, SEED, nowhere, lambda line: None).model,
                lambda: adapted(train, held, adapting, folder)[0],
            ),
            "fine-tuning": (
                rows,
                lambda: _finetuning.finetune(_classifier(size), *parts, tuning, SEED, lambda line: None).model,
                lambda: finetuned(*parts, tuning, folder),
            ),
        }
        for name, (windows, ours, theirs) in ways.items():
            difference = _difference(ours(), theirs())  # warms up
            times = [(_seconds(ours), _seconds(theirs)) for _ in range(repeats)]
            ratio = statistics.median(own / of_library for own, of_library in times)
            rates = [windows / statistics.median(turn[i] for turn in times) for i in range(2)]
            print(
                f"{name}, {size}: ours {rates[0]:,.0f} windows per CPU second, Trainer {rates[1]:,.0f}: "
                f"{ratio:.2f} of ours (weights differ by {difference:.0e})"
            )
            out[name] = ratio, difference
    return out


def bench_resume(size="lamar-mini", steps=24, batch=8):
    """Print what a run that was killed and continued shares with one that was not: {way: (weights equal, history of
    losses equal)}."""
    train, held = random_windows(60, 1), random_windows(12, 2)
    settings = _adaptation(
        size, steps=steps, batch_size=batch, micro_batch=batch // 2, checkpoint_every=5, validate_every=7
    )
    out = {}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for name, plain_names in (("Trainer", False), ("Trainer, tensors under their names", True)):
            whole = adapted(train, held, settings, place / f"{name} whole", plain_names)
            adapted(train, held, settings, place / name, plain_names, kill=13)
            again = adapted(train, held, settings, place / name, plain_names, resume=True)
            losses = whole[1][-len(again[1]) :] == again[1] and whole[2] == again[2]
            out[name] = _difference(whole[0], again[0]) == 0, losses
        whole = tapt.train(train, held, settings, SEED, place / "none", lambda line: None)

        def report(line):
            if line.startswith("step 14 "):
                raise KilledError

        with suppress(KilledError):
            tapt.train(train, held, settings, SEED, place / "ours", report)
        again = tapt.train(train, held, settings, SEED, place / "ours", lambda line: None)
        out["ours"] = _difference(whole.model, again.model) == 0, whole.history == again.history
    for name, (weights, losses) in out.items():
        print(f"killed and continued, {name}: weights {'equal' if weights else 'differ'}, "
              f"losses {'equal' if losses else 'differ'}")  # fmt: skip
    return out


def random_windows(count, seed):
    """Random windows of 30 to 101 letters, the same in every run."""
    random = np.random.Generator(np.random.PCG64(seed))
    return [dna.decode(random.integers(0, 4, length, np.uint8)) for length in random.integers(30, 102, count)]


def _labelled(count, seed):
    random = np.random.Generator(np.random.PCG64(seed))
    return tokenizer.ids_of_codes(random.integers(0, 4, (count, 101), np.uint8)), np.arange(count) % 2.0


def _adaptation(size, **more):
    plain = {"validation_windows": 32, "checkpoint_every": 10**6, "validate_every": 10**6}
    return tapt.Settings.from_spec({"datasets": {}, "size": size, **plain, **more})


def _classifier(size):
    return loading.from_seed(configuration.make(size, num_labels=2), 0, "classification")


def _difference(first, second):
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return max(float((a - b).abs().max()) for a, b in pairs)


def _seconds(run):
    began = time.process_time()
    run()
    return time.process_time() - began


def main():
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=list(configuration.SIZES), default="lamar-mini", help="model")
    parser.add_argument("--repeats", type=int, default=5, help="turns")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    transformers.utils.logging.set_verbosity_error()
    bench_speed(a.size, repeats=a.repeats)
    bench_resume(a.size)


if __name__ == "__main__":
    main()
