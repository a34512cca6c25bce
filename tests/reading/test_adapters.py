"""The adapters of hparams/adapters, what they make of a log, and whole runs from one."""

import glob
import gzip
import os

import numpy as np
import pytest
from small import call

from dfar_tf.paths import ADAPTERS
from dfar_tf.runs.data import find_data, find_kuairand
from dfar_tf.runs.steps import prepare_data
from dfar_tf.settings import merge_hparams
from recommenders_utils.dataset.store import SequenceStore
from recommenders_utils.errors import UserError
from recommenders_utils.files import read_json
from recommenders_utils.io.sequential_iterator import SequentialIterator
from recommenders_utils.reading.adapters import adapter_from, load_adapter

# A file of each published layout, its adapter (None: told by the columns) and the records expected of it:
# user, item, label, unix seconds.
MS = 1649581149287
ACTIONS = (
    "userid,feedid,date_,device,read_comment,comment,like,play,stay,"
    "click_avatar,forward,follow,favorite\n"
)
KUAIRAND = (
    "user_id,video_id,date,hourmin,time_ms,is_click,is_like,is_hate,play_time_ms,duration_ms\n"
)
LAYOUTS = {
    "amazon": (
        "amazon",
        "A1,B00A,5.0,1356220800\nA1,B00C,3.0,1356307200\nA2,B00A,4.0,1356220800\n",
        [
            ("A1", "B00A", 1, 1356220800),
            ("A1", "B00C", 0, 1356307200),
            ("A2", "B00A", 1, 1356220800),
        ],
    ),
    "amazon with a header": (
        "amazon",
        "rating\tuser_id\titem_id\ttimestamp\n2\t17\t3\t1356220800\n",
        [("17", "3", 0, 1356220800)],
    ),
    "amazon_2018": (
        "amazon_2018",
        "B00A,A1,5.0,1356220800\nB00C,A1,2.0,1356307200\n",
        [("A1", "B00A", 1, 1356220800), ("A1", "B00C", 0, 1356307200)],
    ),
    "amazon_2023": (
        None,
        f"user_id,parent_asin,rating,timestamp\nAE,B0,5.0,{MS}\nAF,B1,1.0,{MS + 1}\n",
        [("AE", "B0", 1, MS / 1e3), ("AF", "B1", 0, (MS + 1) / 1e3)],
    ),
    "micro_video": (
        None,
        f"user_id,photo_id,time_ms,effective_view\n5,8,{MS},1\n5,9,{MS},0\n",
        [("5", "8", 1, MS / 1e3), ("5", "9", 0, MS / 1e3)],
    ),
    "kuairand": (
        None,
        KUAIRAND
        + f"3,7,20220410,1700,{MS},1,1,0,9000,6000\n3,8,20220410,1700,{MS},0,0,1,60,0\n"
        + f"3,9,20220410,1700,{MS},1,0,0,60,70\n4,7,20220410,1700,{MS},1,1,1,60,70\n",
        [("3", "7", 1, MS / 1e3), ("3", "8", 0, MS / 1e3)],
    ),
    "kuairand's extract": (
        "kuairand",
        f"user_id\tvideo_id\ttime_ms\tlabel\n3\t7\t{MS}\t1\n4\t8\t{MS}\t0\n",
        [("3", "7", 1, MS / 1e3), ("4", "8", 0, MS / 1e3)],
    ),
    "kuairec": (
        None,
        "user_id,video_id,play_duration,video_duration,time,date,timestamp,watch_ratio\n"
        "0,3649,13838,10867,2020-07-05 00:08:23.438,20200705,1593878903.438,1.27\n"
        "0,9598,1366,10984,2020-07-05 00:13:41.297,20200705,1593879221.297,0.12\n"
        "1,9598,1366,10984,,,,0.12\n",
        [("0", "3649", 1, 1593878903.438), ("0", "9598", 0, 1593879221.297)],
    ),
    "wechat": (
        None,
        ACTIONS + "8,71,1,2,0,0,0,500,90,0,0,0,0\n8,72,14,2,0,0,1,500,6000,0,0,0,0\n",
        [("8", "71", 0, 86400 - 28800), ("8", "72", 1, 14 * 86400 - 28800)],
    ),
    "short_video": (
        None,
        "user_id,pid,exposed_time,p_date,p_hour,watch_time,duration,cvm_like,comment,follow,collect,"
        "forward,effective_view,hate\n"
        "101,2023,1663471335,20220918,11,46,45.9,True,False,False,True,False,True,False\n"
        "101,2024,1663471336,20220918,11,2,30.0,False,False,False,False,False,False,False\n"
        "101,2025,1663471337,20220918,11,9,30.0,False,False,False,False,False,True,True\n",
        [
            ("101", "2023", 1, 1663471335),
            ("101", "2024", 0, 1663471336),
            ("101", "2025", 0, 1663471337),
        ],
    ),
    "kuaicomt": (
        None,
        "user_id,video_id,p_hourmin,time_ms,is_click,is_like,is_follow,is_comment,is_forward,is_collect,"
        "is_hate,long_view,play_time_ms,duration_ms,profile_stay_time,comment_stay_time\n"
        f"29,11,1500,{MS}.0,0,0,0,0,0,1,0,0,5822.0,19960.0,0,0\n"
        f"29,12,1500,{MS}.0,0,0,0,0,0,0,1,0,22.0,19960.0,0,0\n"
        f"29,13,1500,{MS}.0,1,0,0,0,0,0,0,0,22.0,19960.0,0,0\n",
        [("29", "11", 1, MS / 1e3), ("29", "12", 0, MS / 1e3)],
    ),
    "kuaisar": (
        None,
        "user_id,item_id,playing_time,duration_ms,time,timestamp,click,forward,like,follow,search,"
        "search_item_related\n"
        f"1,7,60792.0,45400.0,2023-05-22 15:53:20,{MS}.0,1,0,0,0,0,0\n"
        f"1,8,792.0,45400.0,2023-05-22 15:53:20,{MS}.0,0,0,0,0,1,0\n",
        [("1", "7", 1, MS / 1e3), ("1", "8", 0, MS / 1e3)],
    ),
    "yambda multi_event": (
        None,
        "uid,timestamp,item_id,is_organic,event_type,played_ratio_pct,track_length_seconds\n"
        "100,39420,6,0,listen,100,180\n100,39425,7,1,listen,50,180\n"
        "100,39430,8,1,like,,\n100,39435,9,1,dislike,,\n100,39440,8,1,unlike,,\n",
        [
            ("100", "6", 1, 39420),
            ("100", "7", 0, 39425),
            ("100", "8", 1, 39430),
            ("100", "9", 0, 39435),
        ],
    ),
    "yambda listens": (
        None,
        "uid,timestamp,item_id,is_organic,played_ratio_pct,track_length_seconds\n"
        "100,39420,6,0,51,180\n100,39425,7,1,50,180\n",
        [("100", "6", 1, 39420), ("100", "7", 0, 39425)],
    ),
    "vk_lsvd": (
        None,
        "user_id,item_id,place,platform,agent,timespent,like,dislike,share,bookmark,click_on_author,"
        "open_comments\n"
        "7,41,0,1,1,38,false,false,false,false,false,false\n7,40,0,1,1,3,false,false,false,false,"
        "false,false\n7,42,0,1,1,9,false,true,false,false,false,false\n",
        [("7", "41", 1, 0), ("7", "40", 0, 1), ("7", "42", 0, 2)],
    ),
    "tenrec": (
        None,
        "user_id,item_id,click,follow,like,share,video_category,watching_times,gender,age\n"
        "1,4,0,0,0,0,1,0,1,4\n1,1201,1,0,0,0,1,1,1,4\n",
        [("1", "4", 0, 0), ("1", "1201", 1, 1)],
    ),
    "spotify": (
        None,
        "session_id,session_position,session_length,track_id_clean,skip_1,skip_2,skip_3,not_skipped,"
        "hour_of_day,date\n"
        "65_2,1,20,t_13,false,false,false,true,16,2018-07-15\n"
        "65_2,2,20,t_12,true,true,true,false,16,2018-07-15\n",
        [("65_2", "t_13", 1, 0), ("65_2", "t_12", 0, 1)],
    ),
    "mind": (
        "mind",
        "1\tU13740\t11/11/2019 9:05:58 AM\tN55189 N42782\tN55689-1 N35729-0\n"
        "2\tU91836\t11/12/2019 6:11:30 PM\t\tN20678-0\n",
        [
            ("U13740", "N55689", 1, 1573463158),
            ("U13740", "N35729", 0, 1573463158),
            ("U91836", "N20678", 0, 1573582290),
        ],
    ),
    "t_ecd": (
        None,
        "timestamp,user_id,item_id,subdomain,action_type,os\n"
        "93484800,u1,fmcg_9,catalog,view,android\n93484805,u1,fmcg_9,catalog,click,android\n",
        [("u1", "fmcg_9", 0, 93484800), ("u1", "fmcg_9", 1, 93484805)],
    ),
    "movielens csv": (
        None,
        "userId,movieId,rating,timestamp\n1,31,0.5,1260759144\n1,33,3.5,1260759179\n",
        [("1", "31", 0, 1260759144), ("1", "33", 1, 1260759179)],
    ),
    "movielens dat": (
        None,
        "1::1193::5::978300760\n1::661::3::978302109\n",
        [("1", "1193", 1, 978300760), ("1", "661", 0, 978302109)],
    ),
    "movielens tabs": (
        "movielens",
        "196\t242\t3\t881250949\n186\t302\t4\t891717742\n",
        [("196", "242", 0, 881250949), ("186", "302", 1, 891717742)],
    ),
}


def file_of(folder, text, name="log.csv"):
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return str(path)


def read(path, adapter=None, **keys):
    hparams = merge_hparams("interactions", interactions=path, show_progress=False, **keys)
    source, reader = find_data(hparams.replace(adapter=adapter), say=lambda line: None)
    return reader, reader.read(hparams.replace(**source.overrides).data)


@pytest.mark.parametrize("name", list(LAYOUTS))
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_published_layouts(tmp_path, name, ending):
    adapter, text, expected = LAYOUTS[name]
    reader, (records, report) = read(file_of(tmp_path, text, "log.csv" + ending), adapter)
    found = zip(
        records.user_ids[records.users],
        records.item_ids[records.items],
        records.labels.tolist(),
        records.times.tolist(),
    )
    assert list(found) == expected
    assert report["adapter"] == reader.form.name == name.split()[0].replace("'s", "")


def test_every_adapter_has_a_layout_here():
    names = {os.path.basename(path)[:-5] for path in glob.glob(os.path.join(ADAPTERS, "*.yaml"))}
    assert names == {key.split()[0].replace("'s", "") for key in LAYOUTS}
    assert all(load_adapter(os.path.join(ADAPTERS, name + ".yaml")).about for name in names)


def test_finish_and_dwell_of_kuairand(tmp_path):
    _, (records, report) = read(file_of(tmp_path, LAYOUTS["kuairand"][1]))
    assert records.extras["finish"].tolist() == [1, 0]
    np.testing.assert_allclose(records.extras["dwell"], [0.15, 0.001], rtol=1e-6)  # minutes
    assert report["dropped"] == {
        "neither positive nor negative": {"count": 1, "first_line": 4},
        "positive and negative at once": {"count": 1, "first_line": 5},
    }
    _, (records, _) = read(file_of(tmp_path, LAYOUTS["kuairand's extract"][1]), "kuairand")
    assert records.extras == {}  # no columns for them


SOUND = {"user": "u", "item": "i", "time": "t", "label": "y"}


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"label": None}, "mine.yaml: feedback: expected exactly one of: label; rating;"),
        ({"rating": "r"}, "got label, rating"),
        ({"label": None, "play": "p"}, "got play"),
        ({"user": None}, "mine.yaml: user: expected the name of a column"),
        ({"usr": "u"}, "mine.yaml: unknown key 'usr'"),
        (
            {"time_unit": "weeks"},
            "'time_unit' cannot be 'weeks' (str); choose one of auto, seconds",
        ),
        (
            {"zero_duration": "keep"},
            "'zero_duration' cannot be 'keep' (str); choose one of drop",
        ),
        ({"threshold": "high"}, "'threshold' must be float, got 'high'"),
        ({"columns": ["u", "i", "t"]}, "columns: 'y' is not among them, but is used"),
        ({"columns": ["u", "u", "i"]}, "columns: expected a list of different names"),
        ({"forms": []}, "forms: expected a list"),
        ({"recognise": "maybe"}, "'recognise' must be bool, got 'maybe'"),
        ({"label": "y ** 2"}, "mine.yaml: label: 'y ** 2' contains something that is not allowed"),
        ({"duplicates": "none"}, "'duplicates' cannot be 'none' (str); choose one of first, last"),
        (
            {"label": "y == 'a'", "dwell": "y"},
            "'y' is compared with text in one key and is a number",
        ),
        ({"separator": " "}, "separator: expected explode beside it"),
        ({"explode": 3}, "explode: expected a column that holds lists"),
        ({"explode": "l", "separator": ""}, "separator: is empty"),
        ({"explode": "l", "entry_separator": "-"}, "entry_separator: expected entry beside it"),
        ({"explode": "l", "entry": "i"}, "entry: expected a list of different names"),
        ({"explode": ["l", "m"], "entry": ["i", "y"]}, "of one explode column"),
        ({"explode": "l", "entry": ["i", "y"]}, "entry_separator: expected the text between"),
        ({"time_format": "%Q"}, "time_format: '%Q' is no format of times"),
        ({"time_format": "day"}, "time_format: 'day' is no format of times"),
        ({"time_format": "%Y", "time_unit": "days"}, "time_format and time_unit: give only one"),
    ],
)
def test_adapters_that_are_none(changed, message):
    keys = {key: value for key, value in {**SOUND, **changed}.items() if value is not None}
    with pytest.raises(UserError) as caught:
        adapter_from(keys, "mine", "mine.yaml")
    assert message in str(caught.value)


@pytest.mark.parametrize("text", ["user: [", "- a\n- b", "just words", ""])
def test_files_that_are_no_adapter(tmp_path, text):
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(UserError, match=r"mine\.yaml.*'key: value'"):
        load_adapter(str(tmp_path / "mine.yaml"))


# From a log to a store, and to a run.


def days_log(users=7, days=3, extra=""):
    """Rows of a log in file order, liked before disliked; the last day has a morning and an evening."""
    random, rows = np.random.RandomState(5), []
    for user in range(users):
        hours = [
            *range(24 * days - 24),
            24 * days - 20,
            24 * days - 16,
            24 * days - 9,
            24 * days - 2,
        ]
        for hour in random.choice(hours[:-4], 9, replace=False).tolist() + hours[-4:]:
            # 2022-04-10 00:00 in UTC+8.
            time = (1649520000 + hour * 3600) * 1000 + user
            item, watched = random.randint(11), random.randint(30000)
            like = 1 if hour == hours[-1] else random.randint(2)
            rows.append((user, item, time, like, 1 - like, watched, 20000))
    rows.sort(key=lambda row: -row[3])
    lines = [",".join(map(str, row)) for row in rows]
    return "user_id,video_id,time_ms,is_like,is_hate,play_time_ms,duration_ms\n" + "\n".join(lines)


def prepared(tmp_path, path, **keys):
    lines = []
    given = {"interactions": path, "cache_dir": str(tmp_path / "cache"), "show_progress": False}
    given.update(min_item_records=0, min_user_records=0, valid_num_ngs=3, test_num_ngs=2, **keys)
    store, hparams = prepare_data(merge_hparams("interactions", **given), given, lines.append)
    return store, hparams, "\n".join(lines)


def test_the_store_of_a_log(tmp_path):
    path = file_of(tmp_path, days_log(), "house.csv.gz")
    store, hparams, said = prepared(tmp_path, path, duplicates="all")
    assert "adapter kuairand (positive: is_like, negative: is_hate)" in said
    assert (hparams.utc_offset_hours, hparams.name) == (8.0, "house")
    assert store.num_users == 7 and len(store.items) == 7 * 13
    assert not store.meta["synthetic"]
    # Sorted by time, the extras along with the records.
    starts = store.user_offsets[:-1]
    steps = np.delete(np.diff(store.times), starts[1:] - 1)
    assert np.all(steps > 0)
    by_time = {}
    for line in days_log().splitlines()[1:]:
        user, item, time, like, _, watched, _ = map(int, line.split(","))
        by_time[user, time // 1000] = (item, like, watched)
    users = np.repeat(np.arange(7), 13)
    for k, row in enumerate(users):
        item, like, watched = by_time[int(store.user_ids[row]), int(store.times[k])]
        assert store.item_ids[store.items[k] - 1] == str(item) and store.labels[k] == like
        assert store.extras["finish"][k] == (watched >= 20000)
        assert store.extras["dwell"][k] == np.float32(watched / 60000)
    batch = next(SequentialIterator(store, hparams).train_batches(0))
    ends = store.splits["train"].ends[batch["instance"]]
    assert batch["target_dwell"].tolist() == store.extras["dwell"][ends].tolist()
    assert isinstance(
        SequenceStore.load(glob.glob(str(tmp_path / "cache" / "*"))[0]), SequenceStore
    )


def test_splits_in_the_adapters_offset(tmp_path):
    path = file_of(tmp_path, days_log())
    store, hparams, _ = prepared(tmp_path, path, protocol="noon", duplicates="all")
    hours = {
        name: set(((store.times[part.ends] - 1649520000) // 3600 - 48).tolist())
        for name, part in store.splits.items()
    }
    assert hparams.split == "noon_last_day"
    assert max(hours["train"]) < 0 and hours["valid"] == {4, 8} and hours["test"] <= {15, 22}
    # In UTC the day begins eight hours later, and another flag says so.
    store, hparams, _ = prepared(tmp_path, path, split="last_day", utc_offset_hours=0)
    first = min(store.times[store.splits["test"].ends])
    assert hparams.utc_offset_hours == 0 and first == 1649520000 + 56 * 3600
    store, _, _ = prepared(tmp_path, path, split="ratio", duplicates="latest")
    assert (
        store.times[store.splits["test"].ends].min()
        >= store.times[store.splits["valid"].ends].max()
    )


def test_the_cache_knows_the_adapter(tmp_path):
    path = file_of(tmp_path, days_log())
    first, _, _ = prepared(tmp_path, path)
    again, _, said = prepared(tmp_path, path)
    assert "reused" in said and again.meta == first.meta
    (tmp_path / "mine.yaml").write_text(
        "user: user_id\nitem: video_id\ntime: time_ms\nfeedback: 2 * is_like - 1\n"
        "dwell: play_time_ms / 2\n"
    )
    other, _, said = prepared(tmp_path, path, adapter=str(tmp_path / "mine.yaml"))
    assert "reused" not in said and other.meta["fingerprint"] != first.meta["fingerprint"]
    assert np.array_equal(other.labels, first.labels) and "finish" not in other.extras
    _, _, said = prepared(tmp_path, path, duplicates="all")
    assert "reused" not in said


def test_flags_go_before_the_adapter(tmp_path):
    path = file_of(tmp_path, LAYOUTS["movielens csv"][1])
    hparams = merge_hparams("interactions", interactions=path)
    source, _ = find_data(hparams)
    assert source.overrides["rating_min"] == 0.5
    with pytest.raises(UserError, match="give only one of the two"):
        find_data(hparams.replace(ratings=path))
    with pytest.raises(UserError, match="adapter=wechat applies to --interactions"):
        find_data(hparams.replace(interactions=None, adapter="wechat"))


FLAGS = (
    *("--epochs=1", "--hidden_size=8", "--tower_layers=4", "--max_seq_length=5", "--device=cpu"),
    *("--min_user_records=2", "--show_progress=false", "--valid_num_ngs=3", "--test_num_ngs=4"),
)


@pytest.mark.parametrize("command, model", [("kuairand", "gru4rec"), ("train", "feedrec")])
def test_a_run_on_a_log(tmp_path, command, model):
    name = "SYNTHETIC_log.csv" if command == "train" else "log.csv"
    path = file_of(tmp_path, days_log(), name)
    arguments = [command, f"--interactions={path}", f"--model={model}", *FLAGS]
    arguments += ["--min_item_records=0", f"--cache_dir={tmp_path / 'cache'}"]
    outcome = call(*arguments, f"--run_dir={tmp_path / 'run'}")
    assert outcome.status == 0, outcome.err
    results = read_json(str(tmp_path / "run" / "results.json"))
    assert results["synthetic"] == (command == "train") == ("SYNTHETIC" in outcome.out)
    assert results["protocol"]["tie_order"] == "file"
    assert results["protocol"]["duplicates"] == "earliest"
    if command == "kuairand":
        return
    again = call("evaluate", f"--run_dir={tmp_path / 'run'}")
    assert again.status == 0, again.err
    assert read_json(str(tmp_path / "run" / "results.json"))["test"] == results["test"]


def test_commands_without_a_log(tmp_path):
    with pytest.raises(UserError, match=r"Get KuaiRand-27K.*its authors.*--interactions=FILE"):
        find_kuairand({}, str(tmp_path))
    (tmp_path / "kuairand_like_hate.tsv").write_text("")
    found = find_kuairand({}, str(tmp_path))["interactions"]
    assert found == str(tmp_path / "kuairand_like_hate.tsv")
    outcome = call("train")
    assert outcome.status == 2 and "--interactions=FILE is needed" in outcome.err
    outcome = call("kuairand", f"--interactions={tmp_path / 'none.csv'}")
    assert outcome.status == 2 and "no such file" in outcome.err
