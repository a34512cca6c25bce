"""train with several processes, here or where TF_CONFIG says

``bash run.sh cluster --workers=2 --ps=1 [--run_dir=DIR] [--epochs=N] ...`` starts a chief, which trains too,
workers, parameter servers and an evaluator on loopback, in a network namespace of their own (Linux;
elsewhere it asks for ``--expose``), and prints the table of ``amazon``. With
TF_CONFIG set it runs one task of the run in ``--run_dir``. For real machines see docs/cluster.md.
"""

FLAGS = {
    "workers": ("1", "number of workers, in addition to the chief"),
    "ps": ("1", "parameter servers"),
    "restarts": ("3", "maximum number of restarts of dead processes, in total"),
    "run_dir": (None, "folder of the run; a new one under runs/ if not given"),
    "expose": (False, "run in the machine's own network, where others may reach the servers"),
    "resume": (False, "resume the run in --run_dir"),
}


def run(options):
    """Forwards to ``run_cluster``, or to ``join_run`` where TF_CONFIG names a cluster; the exit status."""
    from dfar_tf.estimator.cluster.task import read_task

    task = read_task()
    if task is not None:
        from dfar_tf.runs.cluster_task import join_run

        join_run(task, options.run_dir, options.given)
        return 0
    from dfar_tf.runs.cluster_launch import run_cluster

    return run_cluster(
        options.hparams("amazon"),
        {"workers": options.workers, "ps": options.ps, "restarts": options.restarts},
        options.command,
        options.run_dir,
        options.resume,
        options.given,
        options.expose,
    )
