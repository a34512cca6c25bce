"""An engine by name."""

from typing import Optional

from recommenders_utils.dataset.engines.numpy import NumpyEngine
from recommenders_utils.errors import UserError


def choose_engine(name: str = "numpy", spark_master: Optional[str] = None) -> NumpyEngine:
    """An engine by name.

    Args:
      name: ``numpy`` or ``spark``.
      spark_master: of ``spark``, see ``SparkEngine``.

    Raises:
      UserError: another name; a master without Spark.
    """
    if name == "spark":
        from recommenders_utils.dataset.engines.spark.engine import SparkEngine

        return SparkEngine(spark_master)
    if name != NumpyEngine.NAME:
        raise UserError(f"--engine={name}: expected numpy or spark.")
    if spark_master:
        raise UserError(
            f"--spark_master={spark_master} applies to --engine=spark, which is not given."
        )
    return NumpyEngine()
