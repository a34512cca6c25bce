"""Lists the models."""

import hashlib
import json
import os
import textwrap

from dfar_tf.experiments.results import say_written, write_results
from dfar_tf.models import about_model, get_model, model_names, untrained_names
from dfar_tf.paths import typed
from dfar_tf.runs.paper import paper_table1
from dfar_tf.settings import merge_hparams
from recommenders_utils.errors import UserError
from recommenders_utils.files import read_json
from recommenders_utils.tables import format_table

UNTRAINED = ("model", "paper", "feedback")
# Parameters of each model at the default sizes, so that the list needs no graph; a test counts again.
RECORDED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "parameters.json")
HEADERS = ("model", "title", "paper", "parameters", "feedback", "settings")


def run_models(dataset, given=None, command="", output=None, say=print):
    """Prints the table of models, and writes it if ``output`` is given.

    Args:
      dataset: name of a data set's file in ``hparams/``.
      given: hyper-parameters to change, such as ``hidden_size``.
      command: the command line.
      output: folder, or None.
      say: called with each line to print.

    Returns:
      The rows of ``HEADERS``.

    Raises:
      UserError: a data set without a column in the paper's Table 1.
    """
    given = {k: v for k, v in (given or {}).items() if k != "model_type"}
    column = merge_hparams(dataset).paper_column
    if column == "none":
        raise UserError(f"--data={dataset}: its paper_column is none; give amazon or micro_video.")
    shape = paper_table1(column)
    rows = []
    for name in model_names():
        about = about_model(name)
        hparams = merge_hparams(dataset, **{**given, "model_type": name})
        count = parameters_of(hparams, shape["items"], shape["users"])
        settings = f"hparams/model_{name}.yaml"
        rows.append([name, about["title"], about["paper"], count, about["feedback"], settings])
    hp = merge_hparams(dataset, **given)
    title = (
        f"parameters for Table 1's {shape['users']:,} users and {shape['items']:,} items ({column}),\n"
        f"width {hp.hidden_size}, histories of {hp.max_seq_length}"
    )
    shown = [[row[0], row[2], row[3]] for row in rows]
    say(title + "\n\n" + format_table(("model", "paper", "parameters"), shown, None, "llr"))
    say("\nwhat each makes of the feedback\n\n" + _listed([row[0], row[4]] for row in rows))
    own = untrained_rows()
    title = "untrained: fitted by counting, without parameters, in seconds"
    say(f"\n{title}\n")
    say(_listed([row[0], ", ".join(filter(None, row[1:]))] for row in own))
    say(
        f"\nsettings: hparams/model_NAME.yaml; {typed('amazon --model=NAME')} trains one,\n"
        f"{typed('table2')} compares them"
    )
    if output:
        about = {"command": command, "parameters": title}
        record = {"untrained": {"headers": list(UNTRAINED), "rows": own}}
        say_written(write_results("models", HEADERS, rows, about, output, record=record), say=say)
    return rows


def _listed(pairs):
    """Names with texts beside them, for a terminal of 80 columns."""
    indent, lines = " " * 15, []
    for name, text in pairs:
        lines += textwrap.wrap(text, 80, initial_indent=name.ljust(15), subsequent_indent=indent)
    return "\n".join(lines)


def untrained_rows():
    """The rows of ``UNTRAINED``, a model each."""
    models = map(get_model, untrained_names())
    return [[model.name, model.paper or None, model.feedback] for model in models]


def parameters_of(hparams, num_items, num_users):
    """As ``count_parameters``, from the recorded counts where the sizes are those of the defaults."""
    recorded = read_json(RECORDED) if os.path.exists(RECORDED) else {}
    count = recorded.get(sizes_digest(hparams, num_items, num_users))
    return count or count_parameters(hparams, num_items, num_users)


def sizes_digest(hparams, num_items, num_users):
    """A text that is the same where a model's hyper-parameters and its data's sizes are."""
    own = hparams.to_dict()["model"]
    sizes = [own, hparams.max_seq_length, hparams.iterator, num_items, num_users]
    digest = hashlib.sha256(json.dumps(sizes, sort_keys=True).encode()).hexdigest()[:16]
    return f"{hparams.model_type}-{digest}"


def count_parameters(hparams, num_items, num_users):
    """Trainable numbers of a model, from its graph; nothing is initialised."""
    import numpy as np

    from dfar_tf.estimator.scoring import make_scorer  # TensorFlow takes seconds to import
    from recommenders_utils.backend import tf

    with tf.Graph().as_default():
        model, _, _ = make_scorer(hparams, num_items, num_users)
        return sum(int(np.prod(v.shape.as_list())) for v in model.trainable_weights)
