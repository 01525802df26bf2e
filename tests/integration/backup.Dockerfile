# The image of the SQL tests with pgBackRest: a cluster whose backups and restores are real.
ARG BASE
FROM ${BASE}
RUN apt-get update -q \
 && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends pgbackrest
