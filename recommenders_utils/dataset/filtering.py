"""Which records stay: duplicates, rare items, short users; and Table 1's row for the rest."""

import numpy as np


def statistics(users, items, labels):
    """Counts a log as the paper's Table 1 does.

    Args:
      users: [n] a code per record, equal for records of one user.
      items: [n] a code per record, equal for records of one item.
      labels: [n] 1 positive, 0 negative feedback.

    Returns:
      dict with Table 1's columns ``users, items, positive_records, negative_records,
      avg_records_per_user`` and ``records``, as plain numbers.
    """
    records, num_users = len(labels), len(np.unique(users))
    positive = int(np.count_nonzero(labels))
    return {
        "users": num_users,
        "items": len(np.unique(items)),
        "records": records,
        "positive_records": positive,
        "negative_records": records - positive,
        "avg_records_per_user": records / num_users if num_users else 0.0,
    }
