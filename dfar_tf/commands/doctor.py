"""show what this machine has, what is used, and why

``bash run.sh doctor [--output=FILE] [--device=auto] [--cache_dir=DIR]``: Python, TensorFlow,
CUDA, memory, disk and data. FILE receives the same as JSON. Each problem comes
with a suggestion. Exits with status 0, or 1 if something needed is broken.
"""

FLAGS = {"output": (None, "JSON file for the findings; if not given, none is written")}
KEYS = (
    "device",
    "cache_dir",
)


def run(options):
    """Forwards to ``run_doctor``; returns 1 if something needed is broken."""
    from dfar_tf.doctor.examination import run_doctor

    return run_doctor(options.hparams(), options.output)
