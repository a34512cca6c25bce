"""export a run as a SavedModel that takes raw ids

``bash run.sh export --run_dir=RUN --output=DIR``; docs/serving.md has its inputs, outputs and a client.
"""

from recommenders_utils.errors import UserError

FLAGS = {
    "run_dir": (None, "folder of a finished run"),
    "output": (None, "folder for the SavedModel; must not exist"),
}
KEYS = ("device",)


def run(options):
    """Forwards to ``export_run``."""
    from dfar_tf.serving.export import export_run

    for name in FLAGS:
        if not getattr(options, name):
            raise UserError(f"--{name} is needed: {FLAGS[name][1]}.")
    export_run(options.run_dir, options.output, **options.given)
