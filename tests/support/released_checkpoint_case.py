"""A released checkpoint of small sizes, written as the release names its variables."""

import os

import numpy as np

from recommenders_utils.backend import tf

ITEMS, LENGTH, WIDTH, HEADS = 11, 5, 6, 2
ATTENTION, TOWER = [7, 3], [9, 4]
ATT_NEG = "attention_fcnAtt_neg/att_fcn/nn_part/"
SIZES = {
    "hidden_size": WIDTH,
    "num_heads": HEADS,
    "max_seq_length": LENGTH,
    "attention_layers": ATTENTION,
    "tower_layers": TOWER,
}


def released_variables(seed=0):
    """What a released checkpoint of these sizes holds, written down by hand."""
    shapes = {
        "embedding/user_embedding": [13, WIDTH],
        "embedding/item_embedding": [ITEMS + 1, WIDTH],
        "embedding/cate_embedding": [2, WIDTH],
        "embedding/position_embedding": [LENGTH, WIDTH],
    }
    for prefix in ("", "pos_", "neg_"):
        scope = prefix + "num_blocks_0"
        for number in ("", "_1"):
            shapes[f"{scope}/multihead_attention/conv1d{number}/kernel"] = [1, WIDTH, WIDTH]
            shapes[f"{scope}/multihead_attention/conv1d{number}/bias"] = [WIDTH]
            for variable in ("Variable", "Variable_1"):
                shapes[f"dfar/{scope}/ln{number}/{variable}"] = [WIDTH]
        for number in ("", "_1", "_2", "_3"):
            rows = HEADS * WIDTH if number == "_3" else WIDTH
            shapes[f"{scope}/self_attention/dense{number}/kernel"] = [rows, WIDTH]
            shapes[f"{scope}/self_attention/dense{number}/bias"] = [WIDTH]
    for norm in ("ln", "ln_1", "ln_2"):
        for variable in ("Variable", "Variable_1"):
            shapes[f"dfar/{norm}/{variable}"] = [WIDTH]
    for side in ("pos", "neg"):
        scope = f"attention_fcnAtt_{side}"
        shapes[f"{scope}/attention_matAtt_{side}"] = [WIDTH, WIDTH]
        for mlp, units in ((f"{scope}/att_fcn", ATTENTION), (f"logit_{side}", TOWER)):
            widths = [4 * WIDTH, *units, 1]
            for i, name in enumerate(("layer0", "layer1", "output")):
                shapes[f"{mlp}/nn_part/w_nn_{name}"] = widths[i : i + 2]
                shapes[f"{mlp}/nn_part/b_nn_{name}"] = widths[i + 1 : i + 2]
            for i, norm in enumerate(("batch_normalization", "batch_normalization_1")):
                for statistic in ("gamma", "beta", "moving_mean", "moving_variance"):
                    shapes[f"{mlp}/nn_part/{norm}/{statistic}"] = units[i : i + 1]
    random, variables = np.random.RandomState(seed), {}
    for name, shape in sorted(shapes.items()):
        value = random.normal(0, 0.3, shape)
        if name.endswith(("gamma", "moving_variance", "Variable_1")):
            value = 0.7 + np.abs(value)
        variables["sequential/" + name] = value.astype(np.float32)
    return variables


def write(folder, variables, name="epoch_3"):
    """Saves variables as the released code does; returns the prefix."""
    with tf.Graph().as_default(), tf.Session() as session:
        made = {n: tf.Variable(value, name=n.replace(":", "_")) for n, value in variables.items()}
        session.run(tf.global_variables_initializer())
        return tf.train.Saver(made).save(
            session, os.path.join(str(folder), name), write_meta_graph=False
        )


def released_rows(lines, items, length):
    """A batch of rows from lines of an instance file; an item the vocabulary lacks is 0, as padding."""
    shape = [len(lines), length]
    batch = {
        "history_items": np.zeros(shape, np.int32),
        "history_labels": np.zeros(shape, np.int32),
    }
    batch.update(history_mask=np.zeros(shape, np.float32))
    targets = []
    for row, line in enumerate(lines):
        fields = line.rstrip("\n").split("\t")
        targets.append([items.get(fields[2], 0)])
        labels, history = (field.split(",")[-length:] for field in fields[5:7])
        batch["history_items"][row, : len(history)] = [items.get(item, 0) for item in history]
        batch["history_labels"][row, : len(labels)] = [int(label) for label in labels]
        batch["history_mask"][row, : len(history)] = 1
    return {**batch, "candidates": np.array(targets)}
