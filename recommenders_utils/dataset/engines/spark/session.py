"""A Spark session, or what to install if there can be none."""

import contextlib
import os
import re
import shutil
import sys
import tempfile
from typing import Any, Iterator, Optional

import recommenders_utils
from recommenders_utils.errors import UserError

LOCAL = "local[*]"
_PACKAGE = os.path.dirname(os.path.abspath(recommenders_utils.__file__))
_INSTALL = (
    "install it into the environment with `pip install -r requirements/spark.txt`, or prepare with "
    "--engine=numpy"
)


def require_spark(environ: Any = None) -> Any:
    """The module ``pyspark``, once it and Java are there.

    Args:
      environ: environment variables; by default the process's.

    Raises:
      UserError: one of them is missing, with what to install.
    """
    environ = os.environ if environ is None else environ
    try:
        import pyspark
    except ImportError as error:
        raise UserError(f"--engine=spark needs PySpark: {error}; {_INSTALL}") from error
    home = environ.get("JAVA_HOME")
    path = environ.get("PATH", os.defpath)
    place = os.path.join(home, "bin", "java") if home else shutil.which("java", path=path)
    if not place or not os.access(place, os.X_OK):
        where = f"JAVA_HOME={home} has no bin/java" if home else "there is no java on the PATH"
        raise UserError(
            f"--engine=spark needs Java 8, 11 or 17: {where}; install one (Debian, Ubuntu: apt install "
            "default-jre-headless; conda install openjdk=17) or set JAVA_HOME, or prepare with "
            "--engine=numpy"
        )
    return pyspark


@contextlib.contextmanager
def spark_session(master: Optional[str] = None) -> Iterator[Any]:
    """A session: the one that is active, or a new one that ends with the block.

    Args:
      master: of the cluster, as ``spark://host:7077`` or ``yarn``; by default all cores of this machine.

    Yields:
      ``SparkSession``, whose workers can import this package.

    Raises:
      UserError: PySpark or Java is missing or of the wrong version; no such master.
    """
    require_spark()
    from pyspark.sql import SparkSession

    session = SparkSession.getActiveSession()
    ours = session is None
    if ours:
        session = _start(SparkSession.builder, master or LOCAL)
    try:
        with tempfile.TemporaryDirectory(prefix="dfar-spark-") as folder:
            # Workers need the code, wherever they are and however this process found it.
            parent, name = os.path.split(_PACKAGE)
            archive = shutil.make_archive(os.path.join(folder, name), "zip", parent, name)
            session.sparkContext.addPyFile(archive)
            yield session
    finally:
        if ours:
            session.stop()


def _start(builder, master):
    options = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": str(sys.stderr.isatty()).lower(),
        "spark.driver.maxResultSize": "0",  # what comes back comes batch by batch
        "spark.log.level": "ERROR",
    }
    if re.match(r"local(\[|$)", master):
        options.update(
            {
                "spark.driver.bindAddress": "127.0.0.1",
                "spark.driver.host": "127.0.0.1",
                "spark.driver.memory": f"{_half_of_memory()}g",
            }
        )
        # The workers of this machine run in this environment.
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = builder.appName("DFAR: prepare").master(master)
    for key, value in options.items():
        builder = builder.config(key, value)
    try:
        session = builder.getOrCreate()
    except Exception as error:  # Py4J's and PySpark's own, with a Java trace for text
        reason = str(error).strip().split("\n")[0]
        raise UserError(
            f"Spark does not start on --spark_master={master}: {reason}; check the address, and that "
            "`java -version` is one PySpark knows (8, 11 or 17); requirements/spark.txt has its version"
        ) from error
    session.sparkContext.setLogLevel("ERROR")
    return session


def _half_of_memory():
    """GiB, at least one: Spark's default is one on any machine."""
    try:
        pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return 1
    return max(1, (pages >> 30) // 2)
