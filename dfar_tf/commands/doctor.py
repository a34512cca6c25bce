"""say what was found: Python, TensorFlow, CUDA, devices, memory, disk, data; what is used, and why

``bash run.sh doctor [--output=FILE] [--device=auto] [--cache_dir=DIR]``; FILE is the same as JSON. Each
problem has a suggestion. Ends with status 0, or 1 if something that is needed is broken.
"""

FLAGS = {"output": (None, "JSON file for what was found; none is written if not given")}


def run(options):
    """Forwards to ``run_doctor``; returns 1 if something needed is broken."""
    from dfar_tf.doctor.examination import run_doctor

    return run_doctor(options.hparams(), options.output)
