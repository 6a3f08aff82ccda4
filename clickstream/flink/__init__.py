"""Apache Flink for the same files of SQL: on this machine, or on any Flink session cluster.

Flink's own jars run on the Java that clickstream has anyway. They are driven through Flink's SQL gateway and its
REST interfaces, so nothing of Flink is needed in Python: its Python package asks for versions of numpy and pyarrow
that our tables cannot live with.
"""

FLINK_VERSION = "2.3.0"
JAR_SET = "flink"
EXTRA = "clickstream[flink]"
