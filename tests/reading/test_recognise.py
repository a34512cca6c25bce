"""Which adapter a log is read with."""

import gzip

import pytest

from dfar_tf.runs.data import find_data
from dfar_tf.settings import merge_hparams
from recommenders_utils.errors import UserError
from recommenders_utils.reading.adapters import load_adapter
from recommenders_utils.reading.recognise import choose


def file_of(folder, text, name="log.csv"):
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return str(path)


def read(path, adapter=None, **keys):
    hparams = merge_hparams("interactions", interactions=path, show_progress=False, **keys)
    source, reader = find_data(hparams.replace(adapter=adapter), say=lambda line: None)
    return reader, reader.read(hparams.replace(**source.overrides).data)


@pytest.mark.parametrize(
    "header, row, labels",
    [
        ("user,item,time,label", "0", 0),
        ("uid,iid,ts,rating", "4", 1),
        ("session_id,item_id,ts,click", "1", 1),
        ("user_id,video_id,timestamp,like,hate", "0,1", 0),
        ("user_id,item_id,timestamp,watch_ratio", "0.51", 1),
        ("user_id,video_id,timestamp,play_time,duration", "3,7", 0),
        ("user_id,video_id,timestamp,play time,duration", "4,7", 1),
    ],
)
def test_columns_by_common_names(tmp_path, header, row, labels):
    _, (records, report) = read(file_of(tmp_path, f"{header}\na,b,77,{row}\n"))
    assert (records.labels.tolist(), records.times.tolist()) == ([labels], [77])
    assert report["adapter"] == "common names"


def test_an_unknown_layout_is_told_how_to_be_read(tmp_path):
    path = file_of(tmp_path, "who,what else,when,how much\na,b,5,1\n")
    with pytest.raises(UserError) as caught:
        read(path)
    said = str(caught.value)
    assert path in said and "Its columns: who, what else, when, how much." in said
    # The example is an adapter, and reads the log once the right columns are in it.
    text = said[said.index("\n") :]
    (tmp_path / "my.yaml").write_text(text)
    assert load_adapter(str(tmp_path / "my.yaml")).forms[0].kind == "rating"
    assert "'what else'" in text and '"`how much`"' in text
    assert len(read(path, str(tmp_path / "my.yaml"))[1][0].users) == 1


@pytest.mark.parametrize(
    "text, expected",
    [
        ("watcher,show,stars,moment\n7,3,4,1300000000\n", "watcher show moment stars"),
        ("watcher,show,points,moment\n7,3,4,2020-01-02\n", "watcher show moment points"),
        ("moment,watcher,points,show\n1300000000,a,2.5,b\n", "watcher show moment points"),
        ("viewer,film,stars,happened\na,b,4,1300000000\n", "viewer film happened stars"),
    ],
)
def test_the_example_guesses_columns_by_names_and_values(tmp_path, text, expected):
    with pytest.raises(UserError) as caught:
        read(file_of(tmp_path, text))
    user, item, time, rating = expected.split()
    example = "\n    ".join(
        ["", f"user: {user}", f"item: {item}", f"time: {time}", f'rating: "{rating}"', ""]
    )
    assert example in str(caught.value)


def test_a_log_that_needs_no_adapter_says_so(tmp_path):
    path = file_of(tmp_path, "viewer,film,stars,when\na,b,4,1300000000\na,c,1,1300000001\n")
    assert read(path)[1][0].labels.tolist() == [1, 0]
    with pytest.raises(UserError) as caught:
        read(path, "movielens")
    told = "Leave --adapter out: they are read by their names (user viewer, item film, time when, "
    assert told + "rating stars)" in str(caught.value)


@pytest.mark.parametrize(
    "text, adapter, message",
    [
        ("A1,B0,5.0,1356220800\n", None, "Name one of --adapter=amazon (user_id, item_id, rating,"),
        ("A1,B0,5.0,1356220800\n", "amason", "no such adapter; did you mean amazon?"),
        ("a,b,c\n1,2,3\n", "wechat", "adapter wechat"),
        ("a,b,c\n1,2,3\n", "nowhere/x.yaml", "nowhere/x.yaml: no such file, nor folder 'nowhere'"),
    ],
)
def test_adapters_that_do_not_fit(tmp_path, text, adapter, message):
    with pytest.raises(UserError) as caught:
        read(file_of(tmp_path, text), adapter)
    assert message in str(caught.value)


def test_two_adapters_that_fit(tmp_path):
    for name, feedback in (("one", "label: c"), ("two", "rating: c")):
        (tmp_path / f"{name}.yaml").write_text(f"user: a\nitem: b\ntime: t\n{feedback}\n")
    path = file_of(tmp_path, "a,b,t,c\n1,2,3,1\n")
    with pytest.raises(UserError, match="several adapters; choose one with --adapter=one or --ad"):
        choose(path, None, str(tmp_path))
    assert choose(path, "two", str(tmp_path))[1].kind == "rating"


@pytest.mark.parametrize(
    "header, row, expected",
    [
        (
            "user_id,pid,exposed_at_time,p_date,p_hour,watch_time,cvm_like,comment,hate",
            "101,2023,1663471335,20220917,11,46,True,False,False",
            "time: exposed_at_time|positive: cvm_like|negative: hate",
        ),
        (
            "uid,iid,ts_ms,p_date,p_hour,watched_seconds,long_view",
            "1,2,1663471335000,20220917,11,46,1",
            "time: ts_ms|label: long_view",
        ),
        (
            "user_id,sku,event_time,event_type,price",
            "1,2,2019-10-01,view,9.5",
            """time: event_time|positive: 'event_type == "like"'|negative: 'event_type == "view"'""",
        ),
        (
            "user_id,clip,date,listen_pct,age",
            "1,2,2019-10-01,99,31",
            "watch_ratio: listen_pct|threshold: 50",
        ),
        (
            "user_id,clip,happened_at,watch_seconds_time,clip_length,price",
            "1,2,1663471335,5,10,99",
            "play: watch_seconds_time|duration: clip_length|threshold: 0.5",
        ),
        ("user_id,clip,skipped", "1,2,1", "time: row_order|label: '1 - skipped'"),
        (
            "user_id,clip,date,cost,hour,points",
            "1,2,2019-10-01,5,3,9",
            'rating: "points"|threshold: 3',
        ),
    ],
)
def test_the_example_prefers_columns_named_like_feedback(tmp_path, header, row, expected):
    path = file_of(tmp_path, f"{header}\n{row}\n")
    with pytest.raises(UserError) as caught:
        read(path)
    text = str(caught.value)
    text = text[text.index("\n") :]
    for line in expected.split("|"):
        assert f"    {line}" in text, text
    (tmp_path / "my.yaml").write_text(text)  # and is an adapter
    assert load_adapter(str(tmp_path / "my.yaml")).forms


def test_the_more_particular_adapter_is_taken(tmp_path):
    whole = "user: a\nitem: b\ntime: t\nlabel: c\n"
    (tmp_path / "broad.yaml").write_text(whole)
    (tmp_path / "narrow.yaml").write_text(whole + "recognise: [d]\n")
    for header, name in (("a,b,t,c", "broad"), ("a,b,t,c,d", "narrow")):
        path = file_of(tmp_path, f"{header}\n{','.join('1' for _ in header.split(','))}\n")
        assert choose(path, None, str(tmp_path))[2].name == name
