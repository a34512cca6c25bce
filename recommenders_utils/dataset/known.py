"""Data sets by name: where each is, under which licence, and what of it is fetched and unpacked.

Facts only, each from the publisher's own page; a checksum only where the publisher gives one. What
needs a form, an account or a choice among many files is described, not fetched.
"""

import re
from typing import Any, Dict, NamedTuple, Optional

from recommenders_utils.errors import UserError, suggest

AMAZON_FOLDER = "http://snap.stanford.edu/data/amazon/productGraph/categoryFiles/"
AMAZON_PAGE = "https://jmcauley.ucsd.edu/data/amazon/"
# Categories of 2014 and how many ratings each has, by the publisher's page.
AMAZON = {
    "Books": 22507155,
    "Electronics": 7824482,
    "Clothing_Shoes_and_Jewelry": 5748920,
    "Movies_and_TV": 4607047,
    "Home_and_Kitchen": 4253926,
    "CDs_and_Vinyl": 3749004,
    "Cell_Phones_and_Accessories": 3447249,
    "Sports_and_Outdoors": 3268695,
    "Kindle_Store": 3205467,
    "Health_and_Personal_Care": 2982326,
    "Apps_for_Android": 2638172,
    "Toys_and_Games": 2252771,
    "Beauty": 2023070,
    "Tools_and_Home_Improvement": 1926047,
    "Automotive": 1373768,
    "Video_Games": 1324753,
    "Grocery_and_Gourmet_Food": 1297156,
    "Office_Products": 1243186,
    "Pet_Supplies": 1235316,
    "Patio_Lawn_and_Garden": 993490,
    "Baby": 915446,
    "Digital_Music": 836006,
    "Amazon_Instant_Video": 583933,
    "Musical_Instruments": 500176,
}
_KUAIRAND = "https://zenodo.org/records/10439422"
_KUAIRAND_LICENCE = "CC BY-SA 4.0"


class Known(NamedTuple):
    """A data set.

    Attributes:
      title, licence, size: for the user; an empty licence is one that its publisher does not state.
      page: where it is described.
      url: what is fetched, or None.
      checksum: ``md5`` or ``sha256``, a colon and the publisher's digest, or None.
      unpack: what of an archive is unpacked: the beginning of the files' names; None keeps the file.
      how: how to get it where it is not fetched.
      use: the words of a command that reads it; FILE is the log.
    """

    title: str
    licence: str
    size: str
    page: str
    use: str
    url: Optional[str] = None
    checksum: Optional[str] = None
    unpack: Optional[str] = None
    how: str = ""


def _kuairand(version, size, md5):
    return Known(
        f"KuaiRand-{version}, likes and hates on short videos",
        _KUAIRAND_LICENCE,
        size,
        "https://kuairand.com",
        "kuairand",
        f"{_KUAIRAND}/files/KuaiRand-{version}.tar.gz",
        "md5:" + md5,
        "log_standard_",
    )


def _amazon(category):
    return Known(
        amazon_title(category),
        "",
        f"{AMAZON[category]:,} ratings",
        AMAZON_PAGE,
        f"amazon --category={category}",
        AMAZON_FOLDER + amazon_file(category),
    )


def amazon_file(category: str) -> str:
    """The publisher's name of the ratings of a category of 2014."""
    return f"ratings_{category}.csv"


def amazon_title(category: str) -> str:
    """What to call a category of 2014."""
    return f"Amazon {category.replace('_and_', ' & ').replace('_', ' ')} 2014"


def _amazon_name(category):
    return "amazon-" + category.lower().replace("_", "-").replace("amazon-", "")


_LOG = "train --interactions=FILE"
KNOWN: Dict[str, Known] = {
    "kuairand-pure": _kuairand(
        "Pure", "47 MB, 194 MB unpacked", "0820331067a3784d9691136f772b35a7"
    ),
    "kuairand-1k": _kuairand("1K", "1.1 GB, 829 MB of logs", "6b0b9c8222d67fcd4c676218edca3f1f"),
    "kuairand-27k": _kuairand(
        "27K", "23 GB of logs and 23 GB of features", "3e3c799a24e2d23a4d2c757fbf9adf59"
    ),
    "yambda-50m": Known(
        "Yambda, 50 million listens, likes and dislikes",
        "Apache 2.0",
        "50 million events",
        "https://huggingface.co/datasets/yandex/yambda",
        _LOG,
        "https://huggingface.co/datasets/yandex/yambda/resolve/main/flat/50m/multi_event.parquet",
    ),
    **{_amazon_name(category): _amazon(category) for category in AMAZON},
    "short-video": Known(
        "ShortVideo, behaviour on a short-video platform",
        "",
        "10,000 users, 153,561 videos, 1,019,568 views",
        "https://github.com/tsinghua-fib-lab/ShortVideo_dataset",
        "short-video --interactions=FILE --protocol=noon",
        how="the page gives the address, user name and password of its server; take interaction.csv",
    ),
    "kuaicomt": Known(
        "KuaiComt, short videos and their comments",
        "",
        "119,696,682 views of 34,701 users",
        "https://lyingcs.github.io/KuaiComt.github.io",
        _LOG,
        how="follow the page; take user_video_inter.csv",
    ),
    "kuaisar": Known(
        "KuaiSAR, recommendation and search",
        "",
        "see the page",
        "https://kuaisar.github.io",
        _LOG,
        how="follow the page; take rec_inter.csv",
    ),
    "kuairec": Known(
        "KuaiRec, a matrix that is almost full",
        "",
        "see the page",
        "https://kuairec.com",
        _LOG,
        how="follow the page; take small_matrix.csv or big_matrix.csv",
    ),
    "vk-lsvd": Known(
        "VK-LSVD, short videos",
        "Apache 2.0",
        "40,774,024,903 views; subsamples from 0.1 GB a week",
        "https://huggingface.co/datasets/deepvk/VK-LSVD",
        "train --interactions='train/week_*.parquet'",
        how="choose a subsample (such as subsamples/ur0.01_ip0.01) and download its train folder",
    ),
    "tenrec": Known(
        "Tenrec, videos and articles",
        "CC BY-NC 4.0",
        "5 million users, 140 million interactions",
        "https://github.com/yuangh-x/2022-NIPS-Tenrec",
        _LOG,
        how="accept the licence on the page; take QK-video.csv, QB-video.csv or ctr_data_1M.csv",
    ),
    "spotify": Known(
        "Spotify Music Streaming Sessions",
        "terms of the challenge",
        "160 million sessions",
        "https://www.aicrowd.com/challenges/spotify-sequential-skip-prediction-challenge",
        "train --interactions='log_*.csv'",
        how="log in and accept the terms; take the session logs",
    ),
    "mind": Known(
        "MIND, news shown and clicked",
        "Microsoft Research License",
        "1 million users; MIND-small 50,000",
        "https://msnews.github.io",
        "train --interactions=behaviors.tsv --adapter=mind",
        how="accept the licence on the page; take behaviors.tsv of the training set",
    ),
    "t-ecd": Known(
        "T-ECD, synthetic events of a marketplace",
        "CC BY-NC-SA 4.0",
        "1 billion events (small), 135 billion (full)",
        "https://huggingface.co/datasets/t-tech/T-ECD",
        "train --interactions='marketplace/events/*.pq'",
        how="log in and download days of dataset/small/marketplace/events",
    ),
    "wechat": Known(
        "WeChat Big Data Challenge 2021",
        "terms of the challenge",
        "see the page",
        "https://algo.weixin.qq.com",
        _LOG,
        how="register; take user_action.csv",
    ),
    "movielens": Known(
        "MovieLens",
        "terms in its README",
        "100,000 to 33 million ratings",
        "https://grouplens.org/datasets/movielens/",
        _LOG,
        how="download a version from the page; take ratings.csv, ratings.dat or u.data",
    ),
}


def known(name: str) -> Known:
    """A data set by name, whatever the case; raises UserError for an unknown one."""
    found = KNOWN.get(name.lower().replace("_", "-"))
    if found is None:
        raise UserError(f"data set {name!r} is unknown; {suggest(name, KNOWN)}")
    return found


def amazon_category(name: str) -> str:
    """The publisher's spelling of a category of 2014; raises UserError for an unknown one."""
    spelled = {_letters(category): category for category in AMAZON}
    found = spelled.get(_letters(name))
    if found is None:
        raise UserError(
            f"--category={name}: Amazon 2014 has no such category; {suggest(name, AMAZON)}"
        )
    return found


def expected_digest(entry: Known) -> Dict[str, Any]:
    """The publisher's digest as ``download`` takes it."""
    kind, _, digest = (entry.checksum or "").partition(":")
    return {kind: digest} if digest else {}


def _letters(name):
    return re.sub("and|[^a-z]", "", name.lower().replace("&", "and"))
