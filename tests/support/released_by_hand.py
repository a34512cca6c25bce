"""The released preparation in plain Python, straight from its description: an oracle for the tests."""

import random


def released_files(ratings, min_item, min_user, num_negatives, seed):
    """Every text file and vocabulary that a list of (user, item, rating, time) leads to.

    Returns:
      (texts by file name, {kind: {entry: id}}).
    """
    rows, first_seen = [], []
    for user, item, rating, time in ratings:
        if item not in first_seen:
            first_seen.append(item)
        if (user, item) not in [row[:2] for row in rows]:
            rows.append((user, item, int(rating > 3), time))
    count = [row[1] for row in rows].count
    rows = [row for row in rows if count(row[1]) >= min_item]
    count_user = [row[0] for row in rows].count
    rows = [row for row in rows if count_user(row[0]) >= min_user]
    rows.sort(key=lambda row: first_seen.index(row[1]))
    by_user = {}
    for user, item, label, time in rows:
        by_user.setdefault(user, []).append((label, item, time))
    texts = {
        "amazon_review_recommendersA.csv": [
            f"{label}\t{user}\t{item}\t{time}"
            for user, records in by_user.items()
            for label, item, time in records
        ]
    }
    for records in by_user.values():
        records.sort(key=lambda record: record[2])
    texts["instance_outputA"], texts["preprocessed_output"] = [], []
    lines = {"train": [], "valid": [], "test": []}
    for user, records in by_user.items():
        for k, (label, item, time) in enumerate(records):
            split = {1: "test", 2: "valid"}.get(len(records) - k, "train")
            record = f"{label}\t{user}\t{item}\t{time}\tdefault_cat"
            texts["instance_outputA"].append(record)
            texts["preprocessed_output"].append(f"{split}\t{record}")
            if k:
                lines[split].append((label, user, item, time, records[:k]))
    texts["train_dataA"] = [text(*line) for line in lines["train"]]
    texts["valid_dataA.before_neg_sampling"] = [text(*line) for line in lines["valid"]]
    texts["test_dataA.before_neg_sampling"] = [text(*line) for line in lines["test"]]
    vocabularies = count_vocabularies(lines["train"] + lines["valid"] + lines["test"])

    population = [line.split("\t")[2] for line in texts["instance_outputA"]]
    stream = random.Random(seed)

    def with_negatives(line):
        _, user, item, time, history = line
        found = [text(1, user, item, time, history)]
        taken = {item}
        while len(taken) <= num_negatives:
            other = stream.choice(population)
            if other not in taken:
                taken.add(other)
                found.append(text(0, user, other, time, history))
        return found

    texts["valid_dataA"] = []
    for line in lines["valid"]:
        texts["valid_dataA"] += with_negatives(line) if line[0] else [text(*line)]
    texts["test_dataA"], texts["test_data_neg"], texts["train_data_pos"] = [], [], []
    for k in range(1, 6):
        texts[f"test_dataA_group{k}"] = []
    for line in lines["test"]:
        found = with_negatives(line)
        texts["test_dataA" if line[0] else "test_data_neg"] += found
        if line[0]:
            length = len(line[4])
            group = next((k for k, edge in enumerate([10, 15, 18, 20], 1) if length <= edge), 5)
            texts[f"test_dataA_group{group}"] += found
    return {name: "".join(t + "\n" for t in part) for name, part in texts.items()}, vocabularies


def text(label, user, item, time, history):
    columns = [[r[0] for r in history], [r[1] for r in history], ["default_cat"] * len(history)]
    columns.append([r[2] for r in history])
    joined = [",".join(map(str, column)) for column in columns]
    return "\t".join([*map(str, (label, user, item, "default_cat", time)), *joined])


def count_vocabularies(lines):
    counts = {"user": {}, "item": {}, "category": {}}
    for _, user, item, _, history in lines:
        for kind, keys in (
            ("user", [user]),
            ("item", [item, *(str(r[0]) for r in history)]),
            ("category", ["default_cat", *(r[1] for r in history)]),
        ):
            for key in keys:
                counts[kind][key] = counts[kind].get(key, 0) + 1
    tables = {
        "user": {"default_uid": 0},
        "item": {"default_mid": 0},
        "category": {"default_cat": 0},
    }
    for kind, table in tables.items():
        by_count = sorted(counts[kind].items(), key=lambda pair: pair[1], reverse=True)
        for number, (key, _) in enumerate(by_count, 1):
            table[key] = number
    return tables
