# One image for web, workers and beat; which it is, the command says (docker-compose.yml). Python as in the tests.

FROM python:3.11-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /venv
COPY requirements.txt .
RUN /venv/bin/pip install --require-hashes --only-binary :all: --requirement requirements.txt

FROM python:3.11-slim
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 DJANGO_SETTINGS_MODULE=wmsbridge.settings
RUN useradd --system --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin wmsbridge
WORKDIR /app
COPY --from=build /venv /venv
COPY . .
# The settings refuse to load without secrets; these live for this one command and protect nothing.
RUN SECRET_KEY=only-to-collect-static-files-while-building \
    FIELD_ENCRYPTION_KEYS=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= \
    DATABASE_URL=postgres://nowhere/none REDIS_URL=redis://nowhere \
    python manage.py collectstatic --no-input \
    && python -m compileall -q .
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://localhost:8000/healthz', timeout=3)"]
# As wmsbridge/web/command.py says, and a test sees to it. The front reads requests with bounds in size and time, then runs
# wmsbridge.wsgi:application in 14 threads a worker: so many database connections, while thousands of senders may be slow.
CMD ["granian", "--interface", "asginl", "--host", "0.0.0.0", "--port", "8000", "--workers", "2", \
     "--backlog", "2048", "--backpressure", "4096", \
     "--http", "1", "--no-ws", "--http1-header-read-timeout", "10000", \
     "--http1-buffer-size", "65536", "--respawn-failed-workers", "--workers-kill-timeout", "30", \
     "wmsbridge.asgi:application"]
