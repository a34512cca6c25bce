"""An epoch cut into shards: nothing twice, nothing lost, the same draws every time; and TF_CONFIG."""

import json
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from iterator_case import hparams, make_store

from dfar_tf.estimator.cluster.task import VARIABLE, read_task, without_proxies
from recommenders_utils.errors import UserError
from recommenders_utils.io import SequentialIterator
from recommenders_utils.io.released_iterator import ReleasedIterator


def batches_of(iterator, epoch, shards):
    return [list(iterator.train_batches(epoch, shard=(k, shards))) for k in range(shards)]


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.integers(2, 12), min_size=2, max_size=6).filter(lambda l: max(l) > 2),  # noqa: E741
    shards=st.integers(1, 9),
    batch_size=st.integers(1, 9),
    epoch=st.integers(0, 3),
)
def test_the_shards_of_an_epoch_are_all_of_it_once(lengths, shards, batch_size, epoch):
    iterator = SequentialIterator(make_store(lengths), hparams(batch_size=batch_size))
    (whole,) = batches_of(iterator, epoch, 1)
    order = np.concatenate([batch["instance"] for batch in whole])
    parts = batches_of(iterator, epoch, shards)
    for number, batches in enumerate(parts):
        mine = [row for batch in batches for row in batch["instance"]]
        assert mine == list(order[number::shards])
        for batch in batches:
            assert np.all(batch["candidates"][:, 1:] != batch["candidates"][:, :1])
    seen = sorted(row for part in parts for batch in part for row in batch["instance"])
    assert seen == list(range(iterator.num_train()))
    assert sum(map(len, parts)) == iterator.steps_per_epoch(shards=shards)


def test_draws_are_the_same_every_time_and_different_everywhere():
    iterator = SequentialIterator(make_store((9, 9, 9, 12), num_items=40), hparams(batch_size=9))

    def drawn(epoch, number, shards):
        batches = iterator.train_batches(epoch, shard=(number, shards))
        return np.concatenate([batch["candidates"] for batch in batches])

    np.testing.assert_array_equal(drawn(1, 0, 3), drawn(1, 0, 3))
    some = [drawn(*which)[:9] for which in [(1, 0, 3), (1, 1, 3), (2, 0, 3), (1, 0, 2)]]
    for first in range(len(some)):
        for second in range(first):
            assert not np.array_equal(some[first][:, 1:], some[second][:, 1:])


def test_what_cannot_be_shared_is_refused():
    iterator = SequentialIterator(make_store(), hparams())
    with pytest.raises(UserError, match="13 processes train, but there are 12 training instances"):
        iterator.train_dataset(shard=(0, 13))
    released = ReleasedIterator.__new__(ReleasedIterator)
    for refuse in (
        lambda: released.steps_per_epoch(5, shards=2),
        lambda: next(released.train_batches(0, shard=(1, 2))),
    ):
        with pytest.raises(UserError, match=r"'released' draws one stream.*2 processes"):
            refuse()


CLUSTER = {"chief": ["a:1"], "worker": ["b:2", "c:3"], "ps": ["d:4"]}


def task_of(monkeypatch, kind="worker", index=0, **changed):
    config = {"cluster": dict(CLUSTER, **changed), "task": {"type": kind, "index": index}}
    monkeypatch.setenv(VARIABLE, json.dumps(config))
    return read_task()


def test_tasks_are_read(monkeypatch):
    chief, last = task_of(monkeypatch, "chief"), task_of(monkeypatch, "worker", "1")
    assert chief.shard == (0, 3) and chief.trains and str(chief) == "chief 0"
    assert chief.device_filters == ["/job:ps", "/job:chief"]
    assert last.shard == (2, 3) and last.device_filters == ["/job:ps", "/job:worker/task:1"]
    for kind in ("ps", "evaluator"):
        task = task_of(monkeypatch, kind)
        assert not task.trains and task.device_filters == []
    assert task.sizes == {"chief": 1, "worker": 2, "ps": 1}
    for text in ("", " ", "{}", '{"task": {"type": "worker", "index": 0}}'):
        monkeypatch.setenv(VARIABLE, text)
        assert read_task() is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "TF_CONFIG: is not JSON"),
        ("[1]", "TF_CONFIG: cluster: is not an object"),
        ('{"cluster": ["a:1"]}', "TF_CONFIG: cluster: is not an object"),
        ('{"cluster": {"master": ["a:1"]}}', "cluster.master: is none of chief, worker"),
        ('{"cluster": {"chief": ["a:1"], "ps": "b:2"}}', "cluster.ps: is not a list of host:port"),
        (
            '{"cluster": {"chief": ["a"], "ps": ["b:2"]}}',
            "cluster.chief: is not a list of host:port",
        ),
        ('{"cluster": {"chief": ["a:1"]}}', "has 1 chief and 0 ps; expected one chief"),
        ('{"cluster": {"chief": ["a:1", "b:1"], "ps": ["c:1"]}}', "has 2 chief and 1 ps"),
    ],
)
def test_a_bad_cluster_is_refused(monkeypatch, text, message):
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(UserError, match=message):
        read_task()


def test_a_bad_task_is_refused(monkeypatch):
    for kind, index, message in [
        ("boss", 0, "task.type: 'boss' is none of chief"),
        ("worker", -1, "task.index: -1 is not a number"),
        ("worker", True, "task.index: True is not a number"),
        ("worker", 2, "task.index: 2, but the cluster has 2 worker; expected a smaller index"),
    ]:
        with pytest.raises(UserError, match=message):
            task_of(monkeypatch, kind, index)


def test_gpus_are_hidden_from_who_takes_none(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    for kind, device, seen in [("chief", "auto", "3"), ("ps", "auto", "-1")]:
        task_of(monkeypatch, kind).hide_devices(device)
        assert os.environ["CUDA_VISIBLE_DEVICES"] == seen
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    task_of(monkeypatch, "worker").hide_devices("cpu")
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "-1"
    with pytest.raises(UserError, match="a task of a cluster uses one device"):
        task_of(monkeypatch, "worker").hide_devices("gpu:0,1")


def test_proxies_are_left_out():
    kept = {"PATH": "/bin", "no_proxy": "here"}
    assert (
        without_proxies({**kept, "http_proxy": "a", "HTTPS_PROXY": "b", "grpc_proxy": "c"}) == kept
    )
