"""Turns a trained run into a standard model folder that provably scores like it."""

from smart_train.export.exporter import export_model
from smart_train.export.parity import TOLERANCE, ParityReport, Probe, measure_parity

__all__ = ["TOLERANCE", "ParityReport", "Probe", "export_model", "measure_parity"]
