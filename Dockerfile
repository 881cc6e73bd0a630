# One image for web, worker, beat and migrate; docker-compose.yml says which one a container is.
FROM python:3.11-slim-bookworm AS packages
WORKDIR /build
RUN python -m venv /opt/venv
COPY requirements.txt .
RUN /opt/venv/bin/pip install --no-cache-dir --require-hashes --no-deps --requirement requirements.txt

FROM python:3.11-slim-bookworm
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    STATIC_ROOT=/srv/static
RUN useradd --system --uid 10001 --user-group --no-create-home --home-dir /nonexistent billing \
    && mkdir -p /srv/app /srv/static /var/lib/beat \
    && chown billing:billing /var/lib/beat
COPY --from=packages /opt/venv /opt/venv
WORKDIR /srv/app
COPY . .
# Gathering files needs settings, and no service: these values live in this one layer's command only.
RUN SECRET_KEY=build-time-only DATABASE_URL=postgres://build@127.0.0.1/build REDIS_URL=redis://127.0.0.1/0 \
    python manage.py collectstatic --noinput --verbosity 0
USER billing
EXPOSE 8000
