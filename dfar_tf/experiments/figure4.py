"""Figure 4: attention between positive and negative heads, compared with the base rate of each pair.

Letters: B batch, T history, H heads. Head pair (h1, h2): query head, key head; the first half of the heads
stands for negative feedback, the second for positive (Eq. 11).
"""

import numpy as np

from dfar_tf.estimator.scoring import make_scorer
from dfar_tf.estimator.training import best_checkpoint
from dfar_tf.experiments.columns import Variant
from dfar_tf.experiments.plotting import heat_map, new_figure, ratio_map
from dfar_tf.experiments.results import SYNTHETIC_NOTE, about_data, file_name, heading, publish
from dfar_tf.experiments.study import Study
from dfar_tf.models import get_model
from dfar_tf.runs.folder import open_run
from dfar_tf.runs.grid import mean_and_deviation
from dfar_tf.runs.kept import run_data
from recommenders_utils.backend import tf
from recommenders_utils.errors import UserError
from recommenders_utils.io import make_iterator

FEEDBACK = ("negative", "positive")


def run_figure4(
    dataset, given, run_dir=None, seeds=3, user=None, command="", output=None, say=print
):
    """Accumulates attention of trained DFARs over the test histories; prints, writes and draws.

    Args:
      dataset: name of a data set's file in ``hparams/``.
      given: hyper-parameters given as flags.
      run_dir: a finished run to look at; the grid's DFARs (``table2``'s) if None.
      seeds: how many of those.
      user: raw id of a user; draws that user's history instead.
      command: the command line.
      output: folder; ``results/`` if None.
      say: called with each line to print.

    Returns:
      0, or 1 if a cell failed.

    Raises:
      UserError: a run of another model, or of one without head pairs; an unknown user.
    """
    failed = []
    if run_dir:
        hparams = open_run(run_dir)
        store, hparams = run_data(run_dir, hparams, (), say)
        folders, numbers = [run_dir], [hparams.seed]
    else:
        model = given.get("model_type", "dfar")
        study = Study("figure4", dataset, given, seeds, (), command, output, say)
        (entry,) = study.run([Variant(model, model, {})]).entries
        store, hparams, folders = study.store, entry.hparams, entry.folders
        numbers, failed = study.seeds, study.failed
    check_model(hparams)
    about = about_data(command, hparams, store, seeds=numbers, model=hparams.model_type)
    if user is not None:
        draw_user(store, hparams, folders[0], user, about, output, say)
        return 0
    found = [accumulate(store, hparams, folder) for folder in folders]
    report(found, hparams.num_heads, about, failed, output, say)
    return 1 if failed else 0


def check_model(hparams):
    """Raises UserError unless the model has head pairs that stand for feedback."""
    if not hasattr(get_model(hparams.model_type), "head_attention"):
        raise UserError(
            f"model_type: {hparams.model_type!r} has no head pairs; give a run of dfar."
        )
    if hparams.values().get("ablation", "none") in ("fha", "mo"):
        raise UserError(
            f"ablation: {hparams.ablation!r} removes the label mask that Figure 4 shows."
        )


class Attention:
    """A trained model that gives its encoder's attention.

    Args:
      store: the data.
      hparams: the run's hyper-parameters.
      folder: the run's.
    """

    def __init__(self, store, hparams, folder):
        self.iterator = make_iterator(store, hparams)
        graph = tf.Graph()
        with graph.as_default():
            model, self.feeds, _ = make_scorer(hparams, self.iterator.num_items, store.num_users)
            history = {name: place for name, place in self.feeds.items() if name != "candidates"}
            self.weights = model.head_attention(model.sides(history))  # [B, H, H, T, T]
            self.session = tf.Session(graph=graph)
            saver = tf.train.Saver({v.op.name: v for v in model.weights})
            saver.restore(self.session, best_checkpoint(folder))

    def of(self, batch):
        """[B, H, H, T, T] weights of a batch's histories."""
        return self.session.run(self.weights, {p: batch[name] for name, p in self.feeds.items()})


def accumulate(store, hparams, folder):
    """Sums over the test histories, real positions only.

    In ``dfar`` each head pair has its own softmax, so all its weights add up to the number of
    queries, whatever was learned. Only the weight on pairs of records (i, j) whose feedback the
    head pair stands for, where the label mask is 1, is informative.

    Returns:
      dict: ``attention`` [H, H], those weights; ``pairs`` [2, 2], how many such pairs (i, j) there are, by
      feedback; ``transitions`` [2, 2], of them those where j follows i at once.
    """
    attention = Attention(store, hparams, folder)
    heads = hparams.num_heads
    side = np.repeat([0, 1], heads // 2)
    totals = {
        "attention": np.zeros([heads, heads]),
        "pairs": np.zeros([2, 2]),
        "transitions": np.zeros([2, 2]),
    }
    size = max(1, 4_000_000 // (heads * hparams.max_seq_length) ** 2)
    for batch in attention.iterator.eval_batches("test", size):
        weights = attention.of(batch)
        one_hot = feedback_of(batch)  # [B, 2, T]
        for i, j in np.ndindex(heads, heads):
            totals["attention"][i, j] += np.einsum(
                "bqk,bq,bk->", weights[:, i, j], one_hot[:, side[i]], one_hot[:, side[j]]
            )
        totals["pairs"] += np.einsum("biq,bjk->ij", one_hot, one_hot)
        totals["transitions"] += np.einsum("bit,bjt->ij", one_hot[:, :, :-1], one_hot[:, :, 1:])
    return totals


def feedback_of(batch):
    """[B, 2, T] float: 1 where a record is real and of the feedback (negative, positive)."""
    labels, mask = batch["history_labels"], batch["history_mask"]
    return np.stack([(labels == 0) * mask, (labels == 1) * mask], 1).astype(np.float64)


def grouped(matrix):
    """[H, H] -> [2, 2]: summed over the heads of each half."""
    half = len(matrix) // 2
    return matrix.reshape(2, half, 2, half).sum((1, 3))


def share(matrix):
    """A matrix over its sum."""
    return matrix / matrix.sum()


def report(found, heads, about, failed, output, say):
    """Prints, writes and draws what ``accumulate`` gave for each seed."""
    headers, rows = shares_table(found)
    notes = [SYNTHETIC_NOTE] * about["synthetic"] + [f"FAILED {text}" for text in failed]
    notes.append(
        "attention: each feedback pair's share of the encoder's weights on pairs (query i, key j) "
        "of the test histories whose feedback the heads stand for."
        " share of pairs: the share of such pairs, so attention / share is 1 if attention only "
        "follows the base rate."
        " share of transitions: the same for neighbours in time."
        " The paper prints no numbers with its Figure 4."
    )
    by_head = np.mean([share(each["attention"]) for each in found], 0)
    words = about["data"], about["model"], about["loss"]
    publish(
        file_name("figure4", *words, synthetic=about["synthetic"]),
        heading(f"Figure 4, {about['model']}, {len(found)} seed(s),", about),
        about,
        (headers, rows),
        notes=notes,
        record={"by_head": by_head.tolist()},
        draw=lambda: draw_shares(found),
        output=output,
        say=say,
    )


def shares_table(found):
    """(headers, rows) of the mean shares of what ``accumulate`` gave for each seed, a row a feedback pair."""
    shares = np.array([share(grouped(each["attention"])) for each in found])  # [seeds, 2, 2]
    pairs, transitions = share(found[0]["pairs"]), share(found[0]["transitions"])
    rows = []
    for i, j in np.ndindex(2, 2):
        mean, deviation = mean_and_deviation(shares[:, i, j].tolist())
        lift = mean / pairs[i, j] if pairs[i, j] and mean is not None else None
        rows.append(
            [FEEDBACK[i], FEEDBACK[j], mean, deviation, pairs[i, j], lift, transitions[i, j]]
        )
    headers = [
        *("query h1", "key h2", "attention", "attention sd", "share of pairs"),
        *("attention / share", "share of transitions"),
    ]
    return headers, rows


def draw_shares(found):
    """Heat maps of the mean shares of what ``accumulate`` gave for each seed."""
    attention = np.mean([share(grouped(each["attention"])) for each in found], 0)
    pairs, transitions = share(found[0]["pairs"]), share(found[0]["transitions"])
    by_head = np.mean([share(each["attention"]) for each in found], 0)
    heads = len(by_head)
    figure, axes = new_figure(5 if heads > 2 else 4, 1, 3.2, 3.2)
    names = ("query's feedback (h1)", "key's feedback (h2)")
    high = max(each.max() for each in (attention, pairs, transitions))  # one scale for the shares
    shares = {
        "attention": attention,
        "share of pairs (base rate)": pairs,
        "share of transitions": transitions,
    }
    for axis, (title, values) in zip(axes[0], shares.items()):
        heat_map(axis, values, title, FEEDBACK, FEEDBACK, names=names, high=high)
    ratio = attention / np.where(pairs > 0, pairs, np.nan)
    title = "attention / share of pairs (1: base rate)"
    ratio_map(axes[0][3], ratio, title, FEEDBACK, FEEDBACK, names)
    if heads > 2:
        each = [
            f"{FEEDBACK[h // (heads // 2)][0].upper()}{h % (heads // 2) + 1}" for h in range(heads)
        ]
        title = f"attention, {heads} x {heads} heads"
        names = ("query head", "key head")
        heat_map(axes[0][4], by_head, title, each, each, "{:.2f}", names)
    return figure


def draw_user(store, hparams, folder, user, about, output, say):
    """One user's test history: its records, feedback, and attention between them."""
    rows = np.flatnonzero(store.user_ids == str(user))
    if not len(rows):
        raise UserError(
            f"--user={user}: no such user in {store.meta['name']}; one that exists is "
            f"{store.user_ids[0]!r}."
        )
    part = store.splits["test"]
    instance = np.flatnonzero(part.users == rows[0])
    if not len(instance):
        raise UserError(f"--user={user}: has no test instance; choose another user.")
    attention = Attention(store, hparams, folder)
    batches = attention.iterator.eval_batches("test", 1)
    batch = next(b for k, b in enumerate(batches) if k == instance[0])
    weights, one_hot = attention.of(batch)[0], feedback_of(batch)[0]
    count = int(batch["history_mask"].sum())
    side = np.repeat([0, 1], hparams.num_heads // 2)
    # The weight of the pairs of heads that stand for (y_i, y_j), averaged.
    pair = np.zeros([count, count])
    for i, j in np.ndindex(*weights.shape[:2]):
        active = np.outer(one_hot[side[i], :count], one_hot[side[j], :count])
        pair += weights[i, j, :count, :count] * active / (hparams.num_heads // 2) ** 2
    ends = int(part.ends[instance[0]])
    items = store.item_ids[np.asarray(store.items[ends - count : ends]) - 1]
    labels = np.asarray(store.labels[ends - count : ends])
    table = [
        [k + 1, str(items[k]), FEEDBACK[labels[k]], float(pair[:, k].mean())] for k in range(count)
    ]
    headers = ("place", "item", "feedback", "mean attention on it")
    about = {**about, "user": str(user), "target": str(store.item_ids[store.items[ends] - 1])}
    names = [f"{item} {'+' if y else '-'}" for item, y in zip(items, labels)]
    publish(
        file_name("figure4", "user", str(user), about["data"], synthetic=about["synthetic"]),
        heading(f"Figure 4, user {user},", about),
        about,
        (headers, table),
        record={"attention": pair.tolist()},
        draw=lambda: _user_map(pair, user, names),
        output=output,
        say=say,
    )


def _user_map(pair, user, names):
    figure, axes = new_figure(1, 1, 5.5, 5)
    title = f"user {user}: row attends to column, + liked, - disliked"
    sides = ("record that attends", "record attended to")
    heat_map(axes[0][0], pair, title, names, names, "{:.2f}", sides)
    axes[0][0].tick_params(axis="x", labelrotation=90)
    return figure
