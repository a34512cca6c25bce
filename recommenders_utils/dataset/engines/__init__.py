"""Records in, filtered and numbered sequences out; in this process or with Spark."""
