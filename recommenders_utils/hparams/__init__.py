"""YAML files in, checked and immutable hyper-parameters out."""

from recommenders_utils.hparams.hparams import HParams, prepare_hparams

__all__ = ["HParams", "prepare_hparams"]
