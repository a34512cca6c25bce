"""list known data sets, or fetch one by name

``bash run.sh data [NAME] [--output=FOLDER]``; without a name the list, with licence, size, checksum and
address of each. A download that was interrupted is resumed by the same command, and checked against the
publisher's checksum where there is one. NAME is such as kuairand-1k or amazon-beauty.
"""

WORD = "name_of_set"
FLAGS = {
    "name_of_set": (None, "the data set, as listed"),
    "output": (None, "folder of the files; data/ if not given"),
}
KEYS = ()


def run(options):
    """Forwards to ``show_data_sets`` or ``fetch_data_set``."""
    from dfar_tf.runs.data_sets import fetch_data_set, show_data_sets

    if options.name_of_set:
        fetch_data_set(options.name_of_set, options.output)
    else:
        show_data_sets()
