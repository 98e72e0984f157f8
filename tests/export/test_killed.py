"""SIGKILL at the worst instants of an export: what stands afterwards is whole, and the next export mends the rest."""

import multiprocessing
import os
import signal
from pathlib import Path

import pytest
import torch

from smart_train import SmartModel
from smart_train.export import exporter
from smart_train.export.parity_record import check_record
from smart_train.utils import atomic

pytestmark = pytest.mark.usefixtures("without_peers")


def killed_at(instant, trained, output):
    """Exports in a process of its own that ends by SIGKILL at `instant`."""

    def die(*_, **__):
        os.kill(os.getpid(), signal.SIGKILL)

    def run():
        torch.set_num_threads(1)  # a fork has none of the threads that its parent computes with
        if instant == "weights written":
            exporter.measure_parity = die
        elif instant == "verified":
            atomic._replace = die
        elif instant == "old aside":
            rename = Path.rename
            Path.rename = lambda self, target: die() if self.name.endswith(".partial") else rename(self, target)
        elif instant == "new in place":
            atomic.settle = lambda path: die() if path.exists() and atomic.aside(path).exists() else None
        exporter.export_model(trained, output, overwrite=True)

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL


@pytest.mark.parametrize("instant", ["weights written", "verified"])
def test_nothing_stands_under_the_final_name_before_the_end(instant, train, tmp_path):
    trained = train("full")
    killed_at(instant, trained, tmp_path / "export")
    assert not (tmp_path / "export").exists()
    exporter.export_model(trained, tmp_path / "export")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["export", "run"]


@pytest.mark.parametrize("instant", ["weights written", "verified", "old aside", "new in place"])
def test_an_earlier_export_survives_until_the_new_one_is_whole(instant, train, tmp_path):
    trained, output = train("full"), tmp_path / "export"
    exporter.export_model(trained, output)
    (output / "mark").touch()
    killed_at(instant, trained, output)
    whole = output if output.exists() else tmp_path / ".export.replaced"
    check_record(whole)
    SmartModel.from_pretrained(whole)
    assert (whole / "mark").exists() == (instant != "new in place")
    with pytest.raises(exporter.ExportError, match="exists already"):
        exporter.export_model(trained, output)  # brings the old one back before it looks
    exporter.export_model(trained, output, overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["export", "run"]
