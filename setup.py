"""What pyproject.toml cannot say: the folder ``hparams`` becomes the data of ``dfar_tf.hparams``."""

from setuptools import find_packages, setup

setup(
    packages=[
        *find_packages(include=["dfar_tf*", "recommenders_utils*"]),
        "dfar_tf.hparams",
        "dfar_tf.hparams.adapters",
        "dfar_tf.hparams.benchmarks",
    ],
    package_dir={"dfar_tf.hparams": "hparams"},
    package_data={"": ["*.yaml", "*.json", "*.css"]},
)
