"""Turns a trained run into a standard model folder that provably scores like it, and publishes it."""

from smart_train.export.adapters import export_adapter
from smart_train.export.card import CardFacts, write_adapter_card
from smart_train.export.exporter import ExportReport, export_model
from smart_train.export.golden import GOLDEN_NAME, Golden
from smart_train.export.hub import PushPlan, check_destination, plan_push, push_folder, push_model
from smart_train.export.parity import ParityReport, Probe, measure_parity
from smart_train.export.parity_record import check_output
from smart_train.export.projection_folder import convert_projection
from smart_train.export.verify import RouteReport, verify_folder
from smart_train.utils.defaults import TOLERANCE

__all__ = [
    "GOLDEN_NAME",
    "TOLERANCE",
    "CardFacts",
    "ExportReport",
    "Golden",
    "ParityReport",
    "Probe",
    "PushPlan",
    "RouteReport",
    "check_destination",
    "check_output",
    "convert_projection",
    "export_adapter",
    "export_model",
    "measure_parity",
    "plan_push",
    "push_folder",
    "push_model",
    "verify_folder",
    "write_adapter_card",
]
