"""One small model for tests, DFAR if not said otherwise: hyper-parameters, batches, placeholders."""

import numpy as np
from places import HPARAMS

from dfar_tf.estimator.model_fn import apply_model
from dfar_tf.models import make_model
from recommenders_utils.backend import tf
from recommenders_utils.hparams import prepare_hparams
from recommenders_utils.io.sequential_iterator import BATCH

B, T, C, ITEMS, USERS = 5, 6, 3, 11, 8
SMALL = {
    "hidden_size": 8,
    "num_heads": 2,
    "max_seq_length": T,
    "aggregation_layers": [7],
    "tower_layers": [9, 5],
    "mask_mode": "logits",
    "ablation": "none",
    "encoder_block": "plain",
    "position_embedding": False,
    "pooling": "sum",
    "tower_norm": "batch",
    "activation": "relu",
    "dropout": 0.0,
    "lambda_bpr": 0.1,
    "lambda_d": 0.2,
    "loss": "log_loss",
    "embed_l2": 0.0,
    "layer_l2": 0.0,
    "share_history": True,
}


def hparams(**overrides):
    """The small case's hyper-parameters, whatever the files' defaults are."""
    files = [str(HPARAMS / name) for name in ("base.yaml", "model_dfar.yaml")]
    return prepare_hparams(*files, **dict(SMALL, **overrides))


def model_hparams(name, **overrides):
    """Small hyper-parameters of any model; the others are those of its file."""
    files = [str(HPARAMS / file) for file in ("base.yaml", f"model_{name}.yaml")]
    small = {"hidden_size": 8, "max_seq_length": T, "tower_layers": [9, 5], "init_stddev": 0.5}
    known = prepare_hparams(*files).values()
    small = {key: value for key, value in small.items() if key in known}
    return prepare_hparams(*files, **dict(small, **overrides))


def batch(seed=0):
    """B histories: full and mixed, all liked, all disliked, one item, mixed; C candidates each."""
    random = np.random.RandomState(seed)
    lengths = np.array([T, 4, 5, 1, 3])
    mask = (np.arange(T) < lengths[:, None]).astype(np.float32)
    labels = random.randint(0, 2, [B, T])
    labels[0, :3], labels[1], labels[2], labels[4, :2] = (0, 1, 1), 1, 0, (1, 0)
    real = mask.astype(np.int32)
    observed = np.zeros([B, C], np.float32)
    observed[:, 0] = 1
    return {
        "user": np.arange(B, dtype=np.int32),
        "instance": np.arange(B, dtype=np.int32),
        "history_items": (random.randint(1, ITEMS + 1, [B, T]) * real).astype(np.int32),
        "history_labels": (labels * real).astype(np.int32),
        "history_mask": mask,
        "candidates": random.randint(1, ITEMS + 1, [B, C]).astype(np.int32),
        "candidate_mask": np.ones([B, C], np.float32),
        "labels": observed,
    }


class Case:
    """A model in a bench with placeholders for a batch; ``feeds`` maps a batch to them."""

    def __init__(self, bench, hp):
        self.features = {
            name: tf.placeholder(dtype, self._shape(name, rank, hp.max_seq_length), name)
            for name, (dtype, rank) in BATCH.items()
        }
        self.model = make_model(hp, ITEMS, USERS)
        self.bench = bench

    @staticmethod
    def _shape(name, rank, length):
        if rank == 1:
            return [None]
        return [None, length] if name.startswith("history") else [None, None]

    def outputs(self, training=False, share_history=True):
        """What ``score`` returns for the fed batch."""
        # As model_fn does: AutoGraph's look at every layer costs seconds.
        apply = tf.autograph.experimental.do_not_convert(apply_model)
        return apply(self.model, self.features, training, share_history)

    def feeds(self, arrays):
        """Feed dict of a batch."""
        return {self.features[name]: value for name, value in arrays.items()}

    def run(self, fetches, arrays):
        """Values of ``fetches`` for a batch."""
        return self.bench.run(fetches, self.feeds(arrays))


def parts_of(hp):
    """First words of the names of a model's variables: its layers and tables."""
    with tf.Graph().as_default():
        case = Case(None, hp)
        case.outputs()
        return {v.name.split("/")[0].split(":")[0] for v in case.model.weights}
