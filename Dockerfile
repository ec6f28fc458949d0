# docker build -t zipferry .
# docker run --detach --publish 8080:8080 --volume /srv/photos:/photos:ro zipferry
#
# Variables (--env) and flags (after the name of the image) are those of the program. How to run it
# hardened, behind nginx, with replicas: docs/containers.md.
FROM docker.io/denoland/deno:2.9.6 AS build

WORKDIR /app

# Dependencies in a layer of their own, which lasts until one of them changes. They are checked
# against the hashes in deno.lock.
COPY deno.json deno.lock ./
COPY zip/deno.json zip/
ARG DENO_TLS_CA_STORE=mozilla
RUN DENO_TLS_CA_STORE=$DENO_TLS_CA_STORE deno install

# From here on nothing is fetched: a dependency that is missing above ends the build. What is
# compiled now need not be at each start.
COPY . .
RUN deno run --cached-only --quiet --no-prompt -P=serve main.ts --version \
  && deno cache $(find storage -name '*.ts') \
  && echo PHOTOS_DIR=/photos > .env

FROM docker.io/denoland/deno:2.9.6

# zip is for --engine zip. It marks names as UTF-8 only where the system has the locale en_US.UTF-8;
# the packages that make locales are not needed afterwards.
RUN export DEBIAN_FRONTEND=noninteractive \
  && apt-get update \
  && apt-get install --yes --no-install-recommends locales zip \
  && localedef --no-archive --inputfile=en_US --charmap=UTF-8 en_US.UTF-8 \
  && apt-get purge --yes --auto-remove libc-l10n locales \
  && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/log/* \
  && mkdir /photos /data \
  && chown deno: /data

COPY --from=build /deno-dir/npm /deno-dir/npm
COPY --from=build /deno-dir/gen /deno-dir/gen
COPY --from=build /app /app

WORKDIR /app

# The photos are named in /app/.env, which counts less than a variable or the .env of another
# working directory.
# The allocator keeps freed buffers for the next ones: docs/performance.md.
ENV HOST=0.0.0.0 \
  PORT=8080 \
  MALLOC_TRIM_THRESHOLD_=16777216 \
  MALLOC_MMAP_THRESHOLD_=1310720 \
  DENO_NO_UPDATE_CHECK=1 \
  NO_COLOR=1

USER deno
EXPOSE 8080
STOPSIGNAL SIGTERM

HEALTHCHECK --interval=30s --timeout=5s --start-period=5s --retries=3 \
  CMD ["deno", "eval", "--no-config", "--unsafely-ignore-certificate-errors=127.0.0.1", "const scheme = Deno.env.get('ZIPFERRY_TLS_CERT') ? 'https' : 'http'; const { ok } = await fetch(`${scheme}://127.0.0.1:${Deno.env.get('PORT')}/healthz`); Deno.exit(ok ? 0 : 1);"]

# The flags of `deno task start`, and leave to write into /data: a volume there may keep the file of
# --checksums.
ENTRYPOINT ["deno", "run", "--cached-only", "--no-code-cache", "--quiet", "--no-prompt", "--v8-flags=--max-semi-space-size=4,--heap-growing-percent=60,--expose-gc", "-P=serve", "--allow-write=/data", "--config=/app/deno.json", "/app/main.ts"]

# Given by whoever publishes the image.
ARG VERSION=unknown
ARG REVISION=unknown
ENV ZIPFERRY_COMMIT=$REVISION
LABEL org.opencontainers.image.title="zipferry" \
  org.opencontainers.image.description="Hands out each folder of photos as one ZIP, made while it is sent" \
  org.opencontainers.image.licenses="MIT" \
  org.opencontainers.image.version="$VERSION" \
  org.opencontainers.image.revision="$REVISION" \
  org.opencontainers.image.base.name="docker.io/denoland/deno:2.9.6"
