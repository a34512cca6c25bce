"""Small random logs in the published schemas, for whole runs."""

import numpy as np

DAY_1 = 1663430400  # 2022-09-18 00:00 in UTC+8


def _yes(value):
    return str(bool(value)).lower()


# Adapter -> (header or None, a row of user, item, seconds, liked, position).
SCHEMAS = {
    "short_video": (
        "user_id,pid,exposed_time,p_date,p_hour,watch_time,duration,cvm_like,effective_view,hate",
        lambda u, i, t, y, k: f"{u},{i},{t},20220918,0,{9 * y},30.5,False,{bool(y)},False",
    ),
    "kuaicomt": (
        "user_id,video_id,p_hourmin,time_ms,is_like,is_collect,is_hate,play_time_ms,duration_ms",
        lambda u, i, t, y, k: f"{u},{i},1500,{t}000.0,0,{y},{1 - y},5822.0,19960.0",
    ),
    "kuaisar": (
        "user_id,item_id,playing_time,duration_ms,time,timestamp,click,search_item_related",
        lambda u, i, t, y, k: f"{u},{i},792.0,45400.0,2023-05-22 15:53:20,{t}000.0,{y},0",
    ),
    "yambda": (
        "uid,timestamp,item_id,is_organic,event_type,played_ratio_pct,track_length_seconds",
        lambda u, i, t, y, k: (
            f"{u},{t - DAY_1},{i},1,"
            + (f"listen,{100 * y},180" if k % 2 else ("like" if y else "dislike") + ",,")
        ),
    ),
    "vk_lsvd": (
        "user_id,item_id,place,platform,agent,timespent,like,dislike,share,bookmark,click_on_author",
        lambda u, i, t, y, k: f"{u},{i},0,1,1,{1 + 9 * y},false,false,false,false,false",
    ),
    "tenrec": (
        "user_id,item_id,click,follow,like,share,video_category,watching_times,gender,age",
        lambda u, i, t, y, k: f"{u},{i},{y},0,0,0,1,{y},1,4",
    ),
    "spotify": (
        "session_id,session_position,session_length,track_id_clean,skip_1,skip_2,skip_3,not_skipped",
        lambda u, i, t, y, k: f"65_{u},{k},9,t_{i},false,{_yes(1 - y)},true,{_yes(y)}",
    ),
    "mind": (
        None,
        lambda u, i, t, y, k: f"{u}\tU{u}\t11/{10 + k}/2019 9:05:58 AM\tN1\tN{i + 90}-0 N{i}-{y}",
    ),
    "t_ecd": (
        "timestamp,user_id,item_id,subdomain,action_type,os",
        lambda u, i, t, y, k: f"{t},{u},{i},catalog,{'click' if y else 'view'},ios",
    ),
}


def published_log(adapter, users=8, items=12, records=9):
    """The text of a log whose users have so many records each, one an hour over three days."""
    header, row = SCHEMAS[adapter]
    random = np.random.RandomState(3)
    lines = [header] if header else []
    for user in range(users):
        chosen = random.permutation(items)[:records]
        for k, item in enumerate(chosen):
            seconds = DAY_1 + 86400 * (3 * k // records) + 3600 * (9 + 2 * (k % 3)) + user
            lines.append(row(user, int(item), seconds, int(random.randint(3) > 0), k))
    return "\n".join([*lines, ""])
