"""prepare a log and print Table 1's row for it

``bash run.sh prepare [--ratings=FILE | --interactions=FILE [--adapter=NAME]]
[--min_item_records=N] [--split=last_day] [--engine=spark [--spark_master=URL]] ...``
"""

FLAGS = {
    "engine": ("numpy", "numpy, or spark, whose workers parse the text; the arrays are the same"),
    "spark_master": (None, "a Spark cluster, such as spark://host:7077; by default all cores here"),
}
KEYS = (
    "ratings",
    "interactions",
    "adapter",
    "min_item_records",
    "min_user_records",
    "rating_threshold",
    "split",
    "candidate_sampling",
    "cache_dir",
    "name",
)


def run(options):
    """Forwards to ``prepare_data``."""
    from dfar_tf.runs.data import dataset_of
    from dfar_tf.runs.steps import prepare_data
    from recommenders_utils.dataset.engines.choose import choose_engine

    engine = choose_engine(options.engine, options.spark_master)
    dataset = dataset_of(options.given) if options.given.get("interactions") else "amazon"
    prepare_data(options.hparams(dataset), options.given, engine=engine)
